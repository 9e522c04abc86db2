"""The files of ops/ name settings that exist, and their defaults. `make ops` runs what they describe."""

import re
from pathlib import Path

import pytest
import yaml

from premade.runtime.settings import Settings, unknown_variables

OPS = Path(__file__).parents[2] / "ops"
ASSIGNMENT = re.compile(r"^#?([A-Z_]+)='([^']*)'$", re.MULTILINE)
CHOSEN = {"PREMADE_TRUSTED_PROXIES"}
"""Settings that the file of the service sets to something else than their default."""


def environment_file() -> dict[str, str]:
    return dict(ASSIGNMENT.findall((OPS / "systemd/premade.env").read_text()))


def test_the_environment_file_has_every_setting_with_its_default() -> None:
    fields = {
        ("PREMADE_" + name.upper()).replace("PREMADE_DATABASE_URL", "DATABASE_URL"): field
        for name, field in Settings.model_fields.items()
    }
    listed = environment_file()

    assert set(listed) - {"WORKERS"} == set(fields) - {"PREMADE_DATA_DIR"}
    for name, value in listed.items():
        if name in fields and name not in CHOSEN and fields[name].default is not None:
            assert value == str(fields[name].default).lower() or value == str(fields[name].default), name


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
