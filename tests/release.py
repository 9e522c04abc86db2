"""Build the wheel and the sdist of the committed tree, check them, and write them into dist/: `make release`.

Everything is built twice, and must have the same bytes. The times in the archives are those of the commit.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx
from support.changelog import UNRELEASED, sections_of, version_of
from support.plain_http import NO_TLS
from support.service import environment_for, running_service

REPOSITORY = Path(__file__).parents[1]
UV = Path(sys.executable).parent / "uv"
PACKED = ("src", "db", "README.md", "CHANGELOG.md", "LICENSE", "hatch_build.py")
"""What the sdist contains, as in pyproject.toml."""
SUMS = "SHA256SUMS"
SUFFIX_BETWEEN_RELEASES = ".dev0"
PAGES = ("/readyz", "/", "/docs", "/openapi.json", "/console/sign-in", "/problems")
"""Of the installed service: they need its SQL, templates, texts and static files."""
LONG_AGO = 978_307_200
"""2001-01-01: time of the files of the second build."""


class Refused(Exception):
    """The tree cannot be released, or what was built from it is wrong. The text says what to do."""


@dataclass(frozen=True)
class Surroundings:
    """What must not change the build: place, umask, time of the files, and environment."""

    folder: str
    umask: int
    file_time: int | None
    environment: dict[str, str]


USUAL = Surroundings("a", 0o022, None, {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"})
UNUSUAL = Surroundings(
    "another place/b", 0o077, LONG_AGO, {"TZ": "Asia/Hong_Kong", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
)


def git(tree: Path, *arguments: str) -> str:
    """Return the output of a Git command."""
    done = subprocess.run(["git", "-C", tree, *arguments], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def faults_of_tree(tree: Path) -> list[str]:
    """Return what the version, the changes and the list of released migrations lack for a release.

    A version that ends with `.dev0` is not a release, so nothing is required of it.
    """
    version = version_of(tree)
    if version.endswith(SUFFIX_BETWEEN_RELEASES):
        return []
    first, *released = sections_of(tree)
    newest = released[0].version if released else "nothing"
    digests = sums(sorted((tree / "db" / "migrations").glob("*.sql")))
    checks = {
        f"pyproject.toml says {version}, and the newest release in CHANGELOG.md is {newest}. Make them the same.": newest
        == version,
        f"CHANGELOG.md has changes under [{UNRELEASED}]. Move them under [{version}].": first.version
        == UNRELEASED
        and not first.text,
        "db/released.sha256 does not list all migrations. Run: cd db/migrations && sha256sum *.sql > ../released.sha256": digests
        == (tree / "db" / "released.sha256").read_text(),
    }
    return [fault for fault, is_right in checks.items() if not is_right]


def require_releasable(tree: Path) -> None:
    """Check the tree and its tag.

    Raises:
        Refused: a change is not committed, the tag is of another commit, or the version does not fit.
    """
    faults = faults_of_tree(tree)
    if changed := git(
        tree, "status", "--porcelain", "--", *PACKED, "pyproject.toml", "requirements", "tests"
    ):
        faults.append(f"Commit the changes first, because a commit is built:\n{changed}")
    tag = f"v{version_of(tree)}"
    if git(tree, "tag", "--list", tag) and git(tree, "rev-list", "-n", "1", tag) != git(
        tree, "rev-parse", "HEAD"
    ):
        faults.append(
            f"The tag {tag} is of another commit: {version_of(tree)} is released. Choose a new version."
        )
    if faults:
        raise Refused("\n".join(faults))


def build(tree: Path, place: Path, surroundings: Surroundings = USUAL) -> list[Path]:
    """Build the sdist of the last commit, and the wheel from the sdist. Return both files."""
    source, built = place / surroundings.folder / "source", place / surroundings.folder / "dist"
    source.mkdir(parents=True)
    archive = place / f"{source.parent.name}.tar"
    git(tree, "archive", "--output", str(archive), "HEAD")
    subprocess.run(
        ["tar", "--no-same-permissions", "-xf", archive, "-C", source], check=True, umask=surroundings.umask
    )
    if surroundings.file_time is not None:
        for file in source.rglob("*"):
            os.utime(file, (surroundings.file_time, surroundings.file_time))
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, source],
        env={
            **os.environ,
            **surroundings.environment,
            "SOURCE_DATE_EPOCH": git(tree, "log", "-1", "--format=%ct"),
        },
        umask=surroundings.umask,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise Refused(f"The build failed:\n{done.stdout}{done.stderr}")
    return sorted(built.iterdir())


def sums(files: Iterable[Path]) -> str:
    """Return the digests in the form of sha256sum."""
    return "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in files)


def members(archive: Path) -> dict[str, bytes]:
    """Return the files in a wheel or an sdist. The names in an sdist begin below its folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(archive) as sdist:
        files = [(member, sdist.extractfile(member)) for member in sdist]
        return {member.name.partition("/")[2]: file.read() for member, file in files if file is not None}


def require_same_bytes(first: list[Path], second: list[Path]) -> None:
    """Check that two builds are the same.

    Raises:
        Refused: a file differs. The text names what differs inside it.
    """
    if sums(first) == sums(second):
        return
    for one, other in zip(first, second, strict=True):
        ours, theirs = members(one), members(other)
        if one.read_bytes() != other.read_bytes():
            names = [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name)]
            inside = ", ".join(names) or "times, modes or order"
            raise Refused(f"Two builds of {one.name} differ in: {inside}")


def require_whole(tree: Path, files: list[Path]) -> None:
    """Check that the sdist and the wheel have each committed file, and nothing else.

    Raises:
        Refused: a file is absent, or one is there that is not committed.
    """
    committed = git(tree, "ls-files", *PACKED).splitlines()
    in_wheel = {name.removeprefix("src/") for name in committed if name.startswith("src/premade/")}
    # The translations are compiled.
    in_wheel = {re.sub(r"\.po$", ".mo", name) for name in in_wheel if not name.endswith(".pot")}
    in_wheel |= {
        f"premade/migrations/{Path(name).name}" for name in committed if name.startswith("db/migrations/")
    }
    for file in files:
        is_wheel = file.suffix == ".whl"
        expected = in_wheel if is_wheel else {*committed, "pyproject.toml", ".gitignore", "PKG-INFO"}
        inside = {name for name in members(file) if ".dist-info/" not in name}
        if inside != expected:
            wrong = ", ".join(sorted(inside ^ expected))
            raise Refused(
                f"{file.name} lacks these files, or has them although they are not committed: {wrong}"
            )
    [wheel] = [file for file in files if file.suffix == ".whl"]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in members(wheel)):
        raise Refused(f"{wheel.name} has no licence.")


def require_nothing_of_this_machine(files: list[Path], *places: Path) -> None:
    """Check that no file inside names a folder of this machine, and that no owner is stored.

    Raises:
        Refused: one does.
    """
    for file in files:
        for name, content in members(file).items():
            for place in places:
                if os.fsencode(place) in content:
                    raise Refused(f"{file.name}: {name} names the folder {place}.")
        if file.suffix != ".whl":
            with tarfile.open(file) as sdist:
                owners = {(each.uid, each.gid, each.uname, each.gname) for each in sdist}
            if owners != {(0, 0, "", "")}:
                raise Refused(f"{file.name} has owners: {owners}")


def install(wheel: Path, folder: Path, requirements: Path) -> Path:
    """Install a wheel and the pinned requirements in an empty environment. Return the program."""
    venv.create(folder, with_pip=False, symlinks=True)
    command = [UV, "pip", "install", "--quiet", "--python", folder / "bin" / "python"]
    subprocess.run([*command, "--require-hashes", "--requirement", requirements], check=True)
    subprocess.run([*command, "--no-deps", wheel], check=True)
    return folder / "bin" / "premade"


def require_it_serves(program: Path, version: str, folder: Path) -> None:
    """Check that the installed program prints its version, and serves on an embedded database.

    Raises:
        Refused: it does not.
    """
    environment = {**environment_for(None, folder / "data"), "PYTHONPATH": ""}
    printed = subprocess.run(
        [program, "--version"], env=environment, cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    if printed != f"premade {version}\n":
        raise Refused(f"The installed premade says {printed!r}, not {version}.")
    with running_service(environment, folder / "log", workers=1, command=(str(program),)) as service:
        for page in PAGES:
            status = httpx.get(service.url + page, timeout=60, trust_env=False, verify=NO_TLS).status_code
            if status != 200:
                raise Refused(f"The installed service answers {page} with {status}.")


def release(tree: Path) -> list[Path]:
    """Build and check everything, and write it into dist/. Return the files."""
    require_releasable(tree)
    version = version_of(tree)
    with tempfile.TemporaryDirectory(prefix="premade-release-") as folder:
        place = Path(folder)
        print(f"Building premade {version} twice …", flush=True)
        files, others = build(tree, place / "first"), build(tree, place / "second", UNUSUAL)
        require_same_bytes(files, others)
        require_whole(tree, files)
        require_nothing_of_this_machine(files, place, tree)
        print("Installing the wheel in an empty environment, and serving from it …", flush=True)
        [wheel] = [file for file in files if file.suffix == ".whl"]
        program = install(wheel, place / "environment", tree / "requirements" / "run.txt")
        require_it_serves(program, version, place)
        return _written(files, tree / "dist")


def _written(files: list[Path], folder: Path) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for old in (*folder.glob("premade-*"), folder / SUMS):
        old.unlink(missing_ok=True)
    (folder / SUMS).write_text(sums(files))
    return [Path(shutil.copy(file, folder)) for file in files]


def main() -> None:
    """Release the repository."""
    try:
        written = release(REPOSITORY)
    except Refused as error:
        sys.exit(str(error))
    print((REPOSITORY / "dist" / SUMS).read_text(), end="")
    version = version_of(REPOSITORY)
    if version.endswith(SUFFIX_BETWEEN_RELEASES):
        print(f"{version} is a build between two releases, to try it. See docs/upgrading.md for a release.")
    else:
        print(f"dist/ has {len(written)} files and {SUMS}. Next: git tag v{version}")


if __name__ == "__main__":
    main()
