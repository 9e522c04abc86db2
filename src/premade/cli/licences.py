"""`premade licences`: the libraries and their licences, from the bill of materials."""

import json
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from typing import Any

from premade.cli.output import print_json, show_rows

_FILE = "sbom.cdx.json"
_CLASSIFIER_PREFIX = "License :: "


@dataclass(frozen=True)
class Library:
    """A library that premade contains or needs."""

    name: str
    version: str
    licence: str
    """An SPDX expression, or the name that the library itself gives. Several are joined with commas."""


def licences(*, as_json: bool, as_sbom: bool) -> None:
    """Print the libraries as a table or JSON, or the whole CycloneDX document."""
    if as_sbom:
        document = bill_of_materials()
        document["metadata"]["component"]["version"] = version("premade")
        print_json(document)
    else:
        show_rows(libraries(), as_json=as_json)


def bill_of_materials() -> dict[str, Any]:
    """Return the bill of materials of this version, a CycloneDX document."""
    return json.loads(resources.files("premade").joinpath(_FILE).read_text("utf-8"))


def libraries() -> list[Library]:
    """Return the libraries, in the order of their names."""
    return [
        Library(each["name"], each["version"], ", ".join(dict.fromkeys(map(_licence, each["licenses"]))))
        for each in bill_of_materials()["components"]
    ]


def _licence(declared: dict[str, Any]) -> str:
    if "expression" in declared:
        return declared["expression"]
    licence = declared["license"]
    return licence.get("id") or licence["name"].removeprefix(_CLASSIFIER_PREFIX).removeprefix(
        "OSI Approved :: "
    )
