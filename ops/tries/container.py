"""ops/container/Containerfile: built with buildah and run with podman, without a registry.

The base image is a Debian that debootstrap makes, under the name that the Containerfile uses. Everything else is the
Containerfile's own: the steps are not copied here.
"""

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tries.place import Place
from tries.steps import (
    CACHE,
    ROOT,
    TryFailed,
    check,
    debian_root,
    locked_wheels,
    need,
    need_root,
    run,
    say,
    wait_until,
    wheel,
)

BASE = "docker.io/library/debian:bookworm-slim"
IMAGE = "localhost/premade:try"
NAME = "premade-try"
USER_ID = "10001"
STORE = ["--root", str(CACHE / "containers"), "--runroot", "/run/premade-ops"]
PODMAN = ["podman", *STORE, "--runtime", "runc"]
PACKAGES = {"buildah": "buildah", "podman": "podman", "runc": "runc", "conmon": "conmon", "catatonit": "catatonit",
            "nsenter": "util-linux", "curl": "curl"}  # fmt: skip
LIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=1000:1000"]
"""Podman's own are higher than a process in some virtual machines may set."""
CONFINED = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
BUILD_TOOLS = ["pip", "pip3", "gcc", "cc", "make", "git"]
DRAIN_SECONDS = 3


def try_container() -> None:
    """Build the image, look at it, run it with a read-only root, sell, check its health, stop it under load."""
    need_root()
    need(PACKAGES)
    try:
        _import_base()
        _build()
        _look_at_image()
        _run_and_stop()
        _without_database()
    finally:
        run(*PODMAN, "rm", "--force", "--all", "--volumes")
        run(*PODMAN, "rmi", "--force", "--all")


def _import_base() -> None:
    archive = CACHE / "base.tar"
    base = debian_root("base", [])
    run("tar", "--create", "--file", archive, "--directory", base, "--exclude=./var/cache/apt/*", ".")
    run(*PODMAN, "import", archive, BASE)
    archive.unlink()


def _build() -> None:
    """Build from a copy of what the Containerfile needs. pip takes the locked wheels from a folder."""
    with TemporaryDirectory(prefix="premade-ops-") as folder:
        context = Path(folder)
        (context / "requirements").mkdir()
        shutil.copy(ROOT / "requirements/run.txt", context / "requirements")
        shutil.copy(ROOT / ".dockerignore", context)
        (context / "dist").mkdir()
        wheel(context / "dist")
        settings = context / "pip.conf"
        settings.write_text("[global]\nno-index = true\nfind-links = /wheels\n")
        volumes = [f"--volume={locked_wheels()}:/wheels:ro", f"--volume={settings}:/etc/pip.conf:ro"]
        run("buildah", *STORE, "bud", "--format", "docker", "--isolation", "chroot", "--network", "host", *volumes,
            "--pull-never", "--file", ROOT / "ops/container/Containerfile", "--tag", IMAGE, context)  # fmt: skip


def _look_at_image() -> None:
    [image] = json.loads(run(*PODMAN, "inspect", "--type", "image", IMAGE))
    user = image["Config"]["User"]
    check(user == f"{USER_ID}:{USER_ID}", f"the image runs as {user}")
    check("/readyz" in str(image["HealthCheck"]), "the image has no health check")
    say(f"size of the image: {image['Size'] / 1e6:.0f} MB")
    tools = run(*PODMAN, "run", "--rm", "--network=none", *LIMITS, "--entrypoint", "sh", IMAGE, "-c",
                f"for tool in {' '.join(BUILD_TOOLS)}; do command -v $tool; done; true")  # fmt: skip
    check(not tools, f"the image has build tools: {tools}")


@contextmanager
def _container(*options: str) -> Generator[Place]:
    """Run the image without a network, with a read-only root."""
    run(*PODMAN, "run", "--detach", "--name", NAME, "--network=none", *CONFINED, *LIMITS, *options, IMAGE)
    try:
        pid = run(*PODMAN, "inspect", "--format", "{{.State.Pid}}", NAME).strip()
        yield Place(int(pid), (*PODMAN, "exec", NAME, "premade"))
    except TryFailed:
        say(_log())
        raise
    finally:
        run(*PODMAN, "rm", "--force", "--volumes", NAME)


def _log() -> str:
    return run("sh", "-c", f"{' '.join(PODMAN)} logs {NAME} 2>&1")


def _run_and_stop() -> None:
    """The embedded PostgreSQL needs the one folder that can be written."""
    volume = "premade-data:/var/lib/premade"
    with _container("--init", "--volume", volume, "--env", f"PREMADE_DRAIN_SECONDS={DRAIN_SECONDS}") as place:
        wait_until(place.is_ready, "the service is not ready")
        check(run(*PODMAN, "exec", NAME, "id", "-u").strip() == USER_ID, "it runs as another user")
        written = run(*PODMAN, "exec", NAME, "sh", "-c", "touch /opt/premade/x /etc/x /x 2>&1 || true")
        check(written.count("Read-only file system") == 3, f"the root can be written: {written}")
        key = place.open_shop()
        place.sell(key, "IN_CONTAINER")
        run(*PODMAN, "healthcheck", "run", NAME)
        with place.clients() as results:
            wait_until(lambda: "http.request" in _log(), "no request arrives")
            run(*PODMAN, "kill", "--signal", "TERM", NAME)
            wait_until(lambda: not place.is_ready(), "it stays ready")
            code = run(*PODMAN, "wait", NAME).strip()
        say(f"requests during the stop: {results}")
        check(code == "0", f"it ended with {code}")
        check("service.stopped" in _log(), "it did not stop in order")
        refused = {result for result in results if "refused" in result}
        check(set(results) - refused == {"200"}, f"requests failed: {results}")
    with _container("--init", "--volume", volume) as place:
        wait_until(place.is_ready, "it does not start again")
        place.sell(key, "AGAIN")


def _without_database() -> None:
    """A service without its database runs, and the health check says that it is not healthy."""
    address = "DATABASE_URL=postgresql://premade@127.0.0.1:1/premade"
    with _container("--env", address) as place:
        wait_until(lambda: "premade serves" in _log(), "it does not start")
        place.get("/healthz")
        try:
            run(*PODMAN, "healthcheck", "run", NAME)
        except TryFailed:
            return
        raise TryFailed("the health check passes without a database")
