"""What all tries use: commands that print themselves, Debian packages, a Debian root, and the files of a release."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
CACHE = Path("/var/cache/premade-ops")
DEBIAN = "bookworm"
DEBIAN_SOURCES = Path("/etc/apt/sources.list.d/debian.sources")
COMMAND_SECONDS_MAX = 1800
WAIT_SECONDS_MAX = 180
COMMAND_SHOWN_MAX = 200
OUTPUT_SHOWN_MAX = 3000
POLL_SECONDS = 0.1


class TryFailed(Exception):
    """A step of a try did not do what the documentation says."""


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


def check(holds: object, otherwise: str) -> None:
    """Raise TryFailed unless `holds`."""
    if not holds:
        raise TryFailed(otherwise)


def run(*command: str | Path, quiet: bool = False, env: dict[str, str] | None = None) -> str:
    """Run a command without input, and return its standard output.

    Raises:
        TryFailed: the command failed. The message has the end of its output.
    """
    words = [str(word) for word in command]
    if not quiet:
        say(f"$ {shlex.join(words)[:COMMAND_SHOWN_MAX]}")
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, env=env,
        timeout=COMMAND_SECONDS_MAX,
    )  # fmt: skip
    if done.returncode:
        output = f"{done.stdout[-OUTPUT_SHOWN_MAX:]}{done.stderr[-OUTPUT_SHOWN_MAX:]}"
        raise TryFailed(f"{shlex.join(words)} exited with {done.returncode}:\n{output}")
    return done.stdout


def wait_until(holds: Callable[[], object], otherwise: str, seconds_max: float = WAIT_SECONDS_MAX) -> None:
    """Wait until `holds` returns something true.

    Raises:
        TryFailed: it did not within the time.
    """
    deadline = time.monotonic() + seconds_max
    while not holds():
        check(time.monotonic() < deadline, otherwise)
        time.sleep(POLL_SECONDS)


def need(*commands: str) -> None:
    """Install the Debian packages of these commands if they are missing.

    Raises:
        TryFailed: this process may not install them. The message names them.
    """
    run(sys.executable, ROOT / "tests" / "install_tools.py", *commands)


def need_root() -> None:
    """Raise TryFailed unless this process is root on Linux."""
    check(
        sys.platform == "linux" and os.geteuid() == 0, "This try mounts and boots: run it as root on Debian."
    )


def wheel(folder: Path) -> Path:
    """Build the wheel of this source tree, and return it."""
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT)
    [built] = folder.glob("premade-*.whl")
    return built


def locked_wheels() -> Path:
    """Return a folder with the wheels of requirements/run.txt, so that the steps in a root need no network."""
    folder = CACHE / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    lock = ROOT / "requirements" / "run.txt"
    done = folder / ".done"
    if not done.exists() or done.read_bytes() != lock.read_bytes():
        run(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary", ":all:",
            "--requirement", lock, "--dest", folder)  # fmt: skip
        done.write_bytes(lock.read_bytes())
    return folder


def debian_root(name: str, packages: Sequence[str]) -> Path:
    """Return a folder with a minimal Debian and these packages, made by debootstrap once."""
    need("debootstrap")
    root = CACHE / name
    if not (root / ".done").exists():
        shutil.rmtree(root, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        run("debootstrap", "--variant=minbase", "--include=ca-certificates", DEBIAN, root, *_mirror())
        _use_own_mirror(root)
        run("chroot", root, "apt-get", "-qq", "update")
        if packages:
            environment = {"PATH": os.environ["PATH"], "DEBIAN_FRONTEND": "noninteractive"}
            run("chroot", root, "apt-get", "-qq", "install", "--yes", "--no-install-recommends", *packages,
                env=environment)  # fmt: skip
        (root / ".done").touch()
    return root


def _mirror() -> list[str]:
    """Return the mirror that this machine uses; none means debootstrap's own."""
    if not DEBIAN_SOURCES.exists():
        return []
    lines = DEBIAN_SOURCES.read_text().splitlines()
    return [line.removeprefix("URIs: ") for line in lines if line.startswith("URIs: ")][:1]


def _use_own_mirror(root: Path) -> None:
    """Make apt in the root fetch as apt on this machine does."""
    if DEBIAN_SOURCES.exists():
        shutil.copy(DEBIAN_SOURCES, root / DEBIAN_SOURCES.relative_to("/"))
        (root / "etc/apt/sources.list").unlink()
    (root / "etc/apt/apt.conf.d/99host").write_text(run("apt-config", "dump", "Acquire"))
    shutil.copy("/etc/resolv.conf", root / "etc/resolv.conf")


@contextmanager
def copy_of(root: Path) -> Generator[Path]:
    """Yield a copy of a root that can be changed. Only the changes take space."""
    with TemporaryDirectory(prefix="premade-ops-", dir=CACHE) as folder:
        upper, work, merged = (Path(folder, name) for name in ("upper", "work", "merged"))
        for each in (upper, work, merged):
            each.mkdir()
        layers = f"lowerdir={root},upperdir={upper},workdir={work}"
        run("mount", "--types", "overlay", "overlay", "--options", layers, merged)
        try:
            yield merged
        finally:
            run("umount", "--recursive", merged)
