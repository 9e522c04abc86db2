"""The last release: its wheel is kept in tests/releases, unpacked into a folder and run with the dependencies of the tests."""

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.changelog import last_version
from support.service import environment_for

RELEASES = Path(__file__).parents[1] / "releases"
SUMS = "SHA256SUMS"
_ENTRY_POINT = (
    "from importlib.metadata import entry_points as e; e(group='console_scripts')['premade'].load()()"
)
PRODUCT, CHANNEL, STOCK = 201, "ota", 2_000_000_000
PROGRAM = (sys.executable, "-P", "-c", _ENTRY_POINT)


def kept_wheel() -> Path:
    """Return the wheel of the last release.

    Raises:
        AssertionError: another one is kept, or its digest is wrong.
    """
    digest, name = (RELEASES / SUMS).read_text().split()
    assert [path.name for path in RELEASES.glob("*.whl")] == [name]
    assert name == f"premade-{last_version()}-py3-none-any.whl", "keep the wheel of the last release"
    assert hashlib.sha256((RELEASES / name).read_bytes()).hexdigest() == digest
    return RELEASES / name


@dataclass(frozen=True)
class LastRelease:
    """The last release in a folder of its own. PROGRAM is its command, in this environment."""

    folder: Path

    def environment(self, dsn: str | None, data_dir: Path | None = None, **more: str) -> dict[str, str]:
        """Return the environment in which Python finds the last release before the tree."""
        return environment_for(dsn, data_dir, PYTHONPATH=str(self.folder), **more)

    def does(self, environment: dict[str, str], *arguments: str) -> dict[str, Any]:
        """Run a command, and return its document."""
        command = [*PROGRAM, *arguments, "--json"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def new_key(self, environment: dict[str, str]) -> str:
        """Add PRODUCT, stock, a partner and an API key. Return the key."""
        product = (
            "--id",
            str(PRODUCT),
            "--name",
            "Ferry",
            "--type",
            "FERRY",
            "--price",
            "288",
            "--currency",
            "HKD",
        )
        self.does(environment, "product", "add", *product, "--entitles", "ferry=2")
        self.does(environment, "partner", "add", "Blue")
        stock = ("--product", str(PRODUCT), "--channel", CHANNEL, "--quantity", str(STOCK))
        self.does(environment, "allotment", "set", *stock)
        permissions = ("--permission", "tickets:bulk-generate", "--permission", "tickets:activate")
        return self.does(environment, "key", "create", "--partner", "Blue", *permissions)["key"]


def unpacked(folder: Path, wheel_of: Path | None = None) -> LastRelease:
    """Unpack the last release, or another wheel. Its dependencies are those of the tests, which are pinned."""
    with zipfile.ZipFile(wheel_of or kept_wheel()) as wheel:
        wheel.extractall(folder)
    return LastRelease(folder)
