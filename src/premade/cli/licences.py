"""`premade licences`."""

import json
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Any

from premade.cli.output import print_json, show_rows

_FILE = "sbom.cdx.json"
_OF_A_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Part:
    """A library that premade contains or needs."""

    name: str
    version: str
    licence: str
    """SPDX expressions, or what the library itself says."""


def licences(*, as_json: bool, as_sbom: bool) -> None:
    """Print the libraries as a table or JSON, or the whole CycloneDX document."""
    if as_sbom:
        document = bill_of_materials()
        document["metadata"]["component"]["version"] = version("premade")
        print_json(document)
    else:
        show_rows(parts(), as_json=as_json)


def bill_of_materials() -> dict[str, Any]:
    """Return the list that comes with this version, a CycloneDX document."""
    return json.loads(resources.files("premade").joinpath(_FILE).read_text("utf-8"))


def parts() -> list[Part]:
    """Return the libraries by name."""
    return [
        Part(part["name"], part["version"], ", ".join(dict.fromkeys(map(_licence, part["licenses"]))))
        for part in bill_of_materials()["components"]
    ]


def _licence(declared: dict[str, Any]) -> str:
    if "expression" in declared:
        return declared["expression"]
    licence = declared["license"]
    return licence.get("id") or licence["name"].removeprefix(_OF_A_CLASSIFIER).removeprefix(
        "OSI Approved :: "
    )
