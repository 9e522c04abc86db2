"""`premade licences`: it lists all pinned libraries, and each of their licences was reviewed."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from support.terminal import Operator

REPOSITORY = Path(__file__).parents[2]
LICENCES = {
    "Apache Software License", "Apache-2.0", "BSD License", "BSD-2-Clause", "BSD-3-Clause", "ISC", "LGPL-3.0-only", "MIT",
    "MIT-0", "MIT-CMU", "MPL-2.0", "MPL 2.0", "Mozilla Public License 2.0 ", "OFL-1.1", "PSF-2.0", "PostgreSQL", "Public Domain", "Unlicense",
}  # fmt: skip
"""Licences that were reviewed. Each allows to run premade, to change it, and to run it for others. The LGPL and the MPL require
only the source of changes to the library itself."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.fixture(name="operator", scope="module")
def _operator() -> Operator:
    """Without a database: the command needs none."""
    return Operator("host=127.0.0.1 port=1")


@pytest.fixture(scope="module")
def listed(operator: Operator) -> list[dict[str, str]]:
    return operator.does("licences")


def test_the_list_has_every_pinned_package_and_the_files_for_browsers(listed: list[dict[str, str]]) -> None:
    pins = [
        Requirement(line.removesuffix("\\").strip())
        for line in (REPOSITORY / "requirements/run.txt").read_text().splitlines()
        if line[:1].isalnum()
    ]
    pinned = {
        (canonical(each.name), str(each.specifier).removeprefix("=="))
        for each in pins
        if each.marker is None or each.marker.evaluate()
    }
    npm = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]
    found = {(canonical(part["name"]), part["version"]) for part in listed}

    assert pinned <= found, "run `make sbom`"
    others = {name for name, _ in found - pinned}
    assert others == {
        "@noble/ed25519", "zxing-wasm", "swagger-ui-dist", "postgresql", "noto sans sc, tc, jp and kr",
    }  # fmt: skip
    assert {("@noble/ed25519", npm["@noble/ed25519"]), ("zxing-wasm", npm["zxing-wasm"])} <= found


def test_each_licence_was_reviewed(listed: list[dict[str, str]]) -> None:
    for part in listed:
        names = set(re.split(r", | AND | OR |[()]", part["licence"])) - {""}
        assert names, part
        assert names <= LICENCES, part


def test_the_bill_of_materials_names_this_version(operator: Operator, listed: list[dict[str, str]]) -> None:
    document: dict[str, Any] = operator.does("licences", "--sbom")

    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    version = re.findall(r'^version = "(.*)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert [document["metadata"]["component"]["version"]] == version
    assert len(document["components"]) == len(listed)
    assert {entry["ref"] for entry in document["dependencies"]} >= {"root-component"}
