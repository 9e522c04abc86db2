"""`make release`: what may be released, and that a build depends on nothing but the commit."""

import subprocess
import sys
from pathlib import Path

import pytest
from release import (
    REPOSITORY,
    UNUSUAL,
    Refused,
    build,
    faults_of_tree,
    members,
    require_nothing_of_this_machine,
    require_releasable,
    require_same_bytes,
    require_whole,
    sums,
)
from support.changelog import last_version, version_of

NEXT = "0.9.0"
ENTRY = "- Something new."
CHANGES = (
    "# Changes\n\n## [Unreleased]\n\n## [0.9.0] - 2027-01-31\n\n- Something new.\n\n## [0.1.0] - 2026-11-30\n"
)
MIGRATION = "CREATE TABLE things ();\n"


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A tree whose version can be released."""
    (tmp_path / "db" / "migrations").mkdir(parents=True)
    (tmp_path / "db" / "migrations" / "0010_things.sql").write_text(MIGRATION)
    (tmp_path / "db" / "released.sha256").write_text(
        sums([tmp_path / "db" / "migrations" / "0010_things.sql"])
    )
    (tmp_path / "CHANGELOG.md").write_text(CHANGES)
    (tmp_path / "pyproject.toml").write_text(f'[project]\nversion = "{NEXT}"\n')
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(tree: Path, *arguments: str) -> None:
    own = ["-c", "user.name=Mei", "-c", "user.email=mei@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", tree, *own, *arguments], check=True, capture_output=True)


def commit(tree: Path) -> None:
    git(tree, "add", "--all")
    git(tree, "commit", "--quiet", "--message", "A change")


def test_a_whole_tree_is_released_also_when_its_tag_is_there(tree: Path) -> None:
    require_releasable(tree)
    git(tree, "tag", f"v{NEXT}")
    require_releasable(tree)


@pytest.mark.parametrize(
    ("file", "old", "new", "fault"),
    [
        (
            "pyproject.toml",
            NEXT,
            "0.9.1",
            "pyproject.toml says 0.9.1, and the newest release in CHANGELOG.md is 0.9.0",
        ),
        ("CHANGELOG.md", "[Unreleased]\n", f"[Unreleased]\n\n{ENTRY}\n", "has changes under [Unreleased]"),
        ("CHANGELOG.md", "## [Unreleased]\n\n", "", "has changes under [Unreleased]"),
        ("db/released.sha256", "0010", "0011", "does not list all migrations"),
    ],
)
def test_a_version_that_does_not_fit_is_refused(
    tree: Path, file: str, old: str, new: str, fault: str
) -> None:
    (tree / file).write_text((tree / file).read_text().replace(old, new, 1))

    assert any(fault in each for each in faults_of_tree(tree)), faults_of_tree(tree)


def test_a_change_that_is_not_committed_and_a_tag_of_another_commit_are_refused(tree: Path) -> None:
    git(tree, "tag", f"v{NEXT}")
    (tree / "CHANGELOG.md").write_text(f"{CHANGES}\n")
    with pytest.raises(Refused, match="Commit the changes first"):
        require_releasable(tree)
    commit(tree)
    with pytest.raises(Refused, match=r"The tag v0\.9\.0 is of another commit"):
        require_releasable(tree)


def test_the_last_release_is_the_one_before_the_version_of_the_tree(tree: Path) -> None:
    assert last_version(tree) == "0.1.0"
    (tree / "pyproject.toml").write_text('[project]\nversion = "0.10.0.dev0"\n')
    assert last_version(tree) == NEXT


def test_between_releases_nothing_is_required(tree: Path) -> None:
    (tree / "pyproject.toml").write_text('[project]\nversion = "0.10.0.dev0"\n')

    assert faults_of_tree(tree) == []


@pytest.fixture(name="clone")
def _clone(tmp_path: Path) -> Path:
    """The repository's last commit."""
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", REPOSITORY.as_uri(), clone], check=True)
    return clone


@pytest.mark.nightly
def test_a_release_is_built_checked_and_written(clone: Path) -> None:
    changes = clone / "CHANGELOG.md"
    changes.write_text(
        changes.read_text().replace("[Unreleased]", f"[Unreleased]\n\n## [{NEXT}] - 2027-01-31", 1)
    )
    settings = clone / "pyproject.toml"
    settings.write_text(settings.read_text().replace(version_of(clone), NEXT, 1))
    files = sorted((clone / "db" / "migrations").glob("*.sql"))
    (clone / "db" / "released.sha256").write_text(sums(files))
    commit(clone)

    done = subprocess.run(
        [sys.executable, clone / "tests" / "release.py"], check=False, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Next: git tag v{NEXT}" in done.stdout
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=clone / "dist", check=True
    )
    assert sorted(file.name for file in (clone / "dist").iterdir()) == [
        "SHA256SUMS", f"premade-{NEXT}-py3-none-any.whl", f"premade-{NEXT}.tar.gz",
    ]  # fmt: skip


HOOK = """
from hatchling.builders.hooks.plugin.interface import BuildHookInterface
class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        open(self.root + "/src/premade/built.txt", "w").write(self.root)
"""


@pytest.mark.nightly
def test_a_build_that_depends_on_its_place_is_refused(clone: Path, tmp_path: Path) -> None:
    (clone / "hatch_build.py").write_text(HOOK)
    settings = clone / "pyproject.toml"
    settings.write_text(
        settings.read_text().replace('include = ["src"', 'include = ["hatch_build.py", "src"')
        + "\n[tool.hatch.build.targets.wheel.hooks.custom]\n"
    )
    commit(clone)
    first, second = build(clone, tmp_path / "1"), build(clone, tmp_path / "2", UNUSUAL)

    with pytest.raises(Refused, match=r"Two builds of premade-.*whl differ in: .*premade/built\.txt"):
        require_same_bytes(first, second)
    with pytest.raises(Refused, match=r"premade/built\.txt"):
        require_whole(clone, first)
    place = Path(members(first[0])["premade/built.txt"].decode())
    with pytest.raises(Refused, match=r"premade/built\.txt names the folder"):
        require_nothing_of_this_machine(first, place)
