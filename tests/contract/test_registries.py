"""What comes in kinds is registered once: each item is documented, can be chosen and can be reached."""

import re
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest

import premade
from premade.api_docs.openapi import openapi_document
from premade.app import make_app
from premade.audit.event import Subject
from premade.batches.batch import BatchStatus
from premade.catalog.product import Cancellation
from premade.cli.export import Format
from premade.console.audit.pages import EVENT_HEADINGS
from premade.console.batches.export_choices import PRINTED, TABLES
from premade.console.overview.pages import GATE_COUNT_NAMES
from premade.console.rendering import STATE_NAMES, STATE_NAMES_IN_SENTENCES
from premade.console.staff.forms import ROLE_DESCRIPTIONS, ROLES
from premade.console.stock.product_form import CANCELLATIONS
from premade.export.as_csv import CSV
from premade.export.as_jsonl import JSON_LINES
from premade.export.formats import FORMATS
from premade.partners.permission import GATE_PERMISSIONS, PERMISSIONS
from premade.redemption.counts import GateCountKind
from premade.redemption.manual import PERMISSION as MANUAL_ENTRY
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings
from premade.staff.role import RIGHTS, Right, Role
from premade.tickets.ticket import Status

SOURCE = Path(premade.__file__).parent
GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text(encoding="utf-8")


def required_by_endpoints() -> set[str]:
    """The permissions that the endpoints of the API ask for."""
    source = "".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*/*routes.py"))
    return set(re.findall(r"(?:partner|gate)_with\(\"([^\"]+)\"\)", source))


def test_every_permission_opens_something_and_nothing_else_is_asked_for() -> None:
    assert required_by_endpoints() | {MANUAL_ENTRY} == set(PERMISSIONS)


def test_every_permission_is_in_the_api_document() -> None:
    app: Any = vars(make_app(Settings(database_url="postgresql://nowhere"), Runtime(ZoneInfo("UTC"))))["_app"]
    document = orjson.dumps(openapi_document(app)).decode()
    assert [name for name in PERMISSIONS if f"`{name}`" not in document] == []


def test_every_permission_says_what_a_key_with_it_may_do() -> None:
    labels = [permission.label for permission in PERMISSIONS.values()]
    assert all(labels)
    assert len(set(labels)) == len(PERMISSIONS)


def test_the_operator_s_keys_open_gates_only() -> None:
    assert set(GATE_PERMISSIONS) == {name for name in PERMISSIONS if name.startswith("gate:")}


@pytest.mark.parametrize("right", Right)
def test_every_right_guards_a_page_and_some_role_has_it(right: Right) -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in (SOURCE / "console").rglob("*.py"))
    assert f"Right.{right.name}" in pages
    assert any(right in rights for rights in RIGHTS.values())


@pytest.mark.parametrize("role", Role)
def test_every_role_has_rights_and_is_in_the_glossary(role: Role) -> None:
    assert RIGHTS[role]
    assert re.search(rf"^\| role \|.*\b{role}\b", GLOSSARY, re.MULTILINE)


def test_every_format_is_a_choice_of_the_console_with_a_text_of_its_own() -> None:
    assert {name: form.label for name, form in FORMATS.items()} == {**TABLES, **PRINTED}
    assert len({form.label for form in FORMATS.values()}) == len(FORMATS)


def test_every_format_of_the_command_and_of_the_api_is_registered() -> None:
    assert {each.value for each in Format} == {form.option for form in FORMATS.values()}
    texts = {form.text for form in FORMATS.values()}
    assert {CSV, JSON_LINES} <= texts


def test_every_module_that_writes_tickets_is_registered() -> None:
    registry = (SOURCE / "export" / "formats.py").read_text(encoding="utf-8")
    modules = {path.stem for path in (SOURCE / "export").glob("as_*.py")}
    assert {name for name in modules if f"premade.export.{name}" not in registry} == set()


def test_the_console_names_every_kind() -> None:
    assert set(EVENT_HEADINGS) == set(Subject)
    assert set(GATE_COUNT_NAMES) == set(GateCountKind)
    assert set(STATE_NAMES) >= {*Status, *BatchStatus}
    assert set(STATE_NAMES_IN_SENTENCES) >= set(Status)
    assert set(ROLES) == set(ROLE_DESCRIPTIONS) == set(Role)
    assert set(CANCELLATIONS) == set(Cancellation)
