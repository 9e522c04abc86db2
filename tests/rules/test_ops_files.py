"""The files of ops/ name settings that exist, and their defaults. `make ops` runs what they describe."""

import re
from pathlib import Path

import pytest
import yaml
from support.changelog import version_of

from premade.runtime.settings import Settings, unknown_variables, variable_of

ROOT = Path(__file__).parents[2]
OPS = ROOT / "ops"
ASSIGNMENT = re.compile(r"^#?([A-Z_]+)='([^']*)'$", re.MULTILINE)
VERSION = re.compile(r"premade(?::|-)(\d+\.\d+\.\d+)(?=-py3|[^/\w.-]|$)")
"""Of an image or a wheel."""
CHOSEN = {"PREMADE_TRUSTED_PROXIES"}
"""Settings that the file of the service sets to something else than their default."""


def environment_file() -> dict[str, str]:
    return dict(ASSIGNMENT.findall((OPS / "systemd/premade.env").read_text()))


def test_the_environment_file_has_every_setting_with_its_default() -> None:
    fields = {variable_of(name): field for name, field in Settings.model_fields.items()}
    listed = environment_file()

    assert set(listed) - {"WORKERS"} == set(fields) - {"PREMADE_DATA_DIR"}
    for name, value in listed.items():
        if name in fields and name not in CHOSEN and fields[name].default is not None:
            assert value in {str(fields[name].default), str(fields[name].default).lower()}, name


def test_every_line_of_the_environment_file_is_read_alike_by_systemd_and_a_shell() -> None:
    lines = [line for line in (OPS / "systemd/premade.env").read_text().splitlines() if line]

    assert [line for line in lines if not line.startswith("# ") and not ASSIGNMENT.fullmatch(line)] == []


@pytest.mark.parametrize("kind", ["systemd", "compose", "kubernetes"])
def test_the_settings_of_the_files_exist(kind: str) -> None:
    compose = yaml.safe_load((OPS / "compose/compose.yaml").read_text())
    config_map = yaml.safe_load((OPS / "kubernetes/configmap.yaml").read_text())
    settings = {
        "systemd": environment_file(),
        "compose": compose["services"]["service"]["environment"],
        "kubernetes": config_map["data"],
    }[kind]

    assert settings
    assert unknown_variables(settings) == {}
    values = {name.removeprefix("PREMADE_").lower(): value for name, value in settings.items()}
    values.pop("workers", None)
    Settings.model_validate(values)


def test_images_and_wheels_have_the_version_of_this_tree() -> None:
    pages = [*OPS.rglob("*"), ROOT / "docs/operating.md"]
    named = {
        (path.name, version)
        for path in pages
        if path.is_file() and path.suffix != ".pyc"
        for version in VERSION.findall(path.read_text())
    }

    assert {name for name, _ in named} >= {"compose.yaml", "deployment.yaml", "migration-job.yaml"}
    assert {version for _, version in named} == {version_of().removesuffix(".dev0")}


def test_every_folder_of_ops_is_in_the_page_for_operators() -> None:
    page = (ROOT / "docs/operating.md").read_text()

    assert [path.name for path in OPS.iterdir() if path.is_dir() and f"../ops/{path.name}/" not in page] == []


def test_no_script_passes_a_password_as_an_argument() -> None:
    """All users of a machine can read the arguments of programs."""
    scripts = [path for path in OPS.rglob("*") if path.is_file() and path.read_bytes().startswith(b"#!")]

    assert scripts
    assert [path.name for path in scripts if re.search(r"\$\w*PASSWORD", path.read_text())] == []
