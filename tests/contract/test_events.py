"""The meaning of an audit event stands in one class: what statements write, and what actions leave, fits it."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from contract.test_statements import STATEMENTS
from pydantic import TypeAdapter
from support.postgres import own_database
from support.shop import Shop
from support.whole_record import CUSTOMER, record_everything

from premade.audit.actors import STAFF
from premade.audit.event import AuditEvent, Catalogue, EventMismatch, EventName, ReasonGiven
from premade.audit.events import CATALOGUE
from premade.console.audit.pages import actor_of
from premade.console.audit.search import EventFilter, search_events
from premade.console.audit.search_sql import EventRow
from premade.console.audit.sentences import sentence
from premade.postgres.statements import Statement
from premade.tickets.answers import TicketEvent
from premade.tickets.history import DETAILS, GENERATED, OF_TICKET

MIGRATIONS = Path(__file__).parents[2] / "db" / "migrations"
INSERT = re.compile(r"INSERT INTO audit_events \(([^)]*)\)")
READ = re.compile(r"\b(?:made_)?data\s*(?:->>?|\?)\s*'(\w+)'")
FROM_PYTHON = {"audit.record", "export.record_export", "redemption.record_conflicts"}
"""Statements that get the whole JSON of an event: it is made of the class itself."""
PERSONAL = re.compile(r"customer|email|phone|password|passenger|birth|address")


def written_by(statement: Statement[..., Any]) -> list[type[AuditEvent]]:
    """The classes of events that a statement declares to write."""
    [declared] = [
        each for each in get_type_hints(statement.declared).values() if get_origin(each) is EventName
    ]
    [kinds] = get_args(declared)
    return list(get_args(kinds)) if isinstance(kinds, UnionType) else [kinds]


def writers() -> Iterator[tuple[Statement[..., Any], str]]:
    """The statements that write events, each with the part of its text that does, up to where it ends."""
    for statement in STATEMENTS:
        text = re.sub(r"--.*", "", statement.text.decode())
        assert len(INSERT.findall(text)) <= 1, f"{statement.name}: one receipt for each write"
        if found := INSERT.search(text):
            yield statement, text[found.start() :]


def arguments(text: str) -> list[str]:
    """The arguments of a call, whose text begins behind its bracket."""
    found, depth, is_quoted = [""], 0, False
    for letter in text:
        is_quoted ^= letter == "'"
        if letter == ")" and not depth and not is_quoted:
            break
        if letter == "," and not depth and not is_quoted:
            found.append("")
            continue
        depth += 0 if is_quoted else (letter == "(") - (letter == ")")
        found[-1] += letter
    return [each.strip() for each in found]


def keys_of(text: str) -> set[str]:
    """The members of the objects that a text makes."""
    return {
        key.strip("'")
        for call in re.finditer(r"jsonb_build_object\(", text)
        for key in arguments(text[call.end() :])[::2]
    }


def always(event: type[AuditEvent]) -> set[str]:
    return event.fields().keys() - event.optional()


def test_what_a_statement_writes_are_the_fields_of_its_class() -> None:
    written: defaultdict[type[AuditEvent], set[str]] = defaultdict(set)
    for statement, text in writers():
        if statement.name in FROM_PYTHON:
            continue
        keys = keys_of(text)
        for event in written_by(statement):
            assert always(event) <= keys, f"{statement.name} leaves out what {event.__name__} always has"
            assert keys <= event.fields().keys(), f"{statement.name} writes what {event.__name__} has not"
            written[event] |= keys
    assert len(written) >= 15
    for event, keys in written.items():
        assert keys == event.fields().keys(), f"{event.__name__} has fields that no statement writes"


def test_all_other_statements_get_the_json_of_an_event() -> None:
    whole = {
        statement.name
        for statement, text in writers()
        if not keys_of(text) and any(event is AuditEvent or event.fields() for event in written_by(statement))
    }

    assert whole == FROM_PYTHON


def test_what_statements_read_are_fields_of_events() -> None:
    known = {name for event in CATALOGUE.values() for name in event.fields()}
    texts = {statement.name: statement.text.decode() for statement in STATEMENTS}
    texts |= {file.name: file.read_text(encoding="utf-8") for file in MIGRATIONS.glob("*audit*.sql")}
    read = {(name, member) for name, text in texts.items() for member in READ.findall(text)}

    assert len(read) > 8
    assert {(name, member) for name, member in read if member not in known} == set()


def test_nothing_else_writes_events() -> None:
    for file in MIGRATIONS.glob("*.sql"):
        assert "INTO audit_events" not in file.read_text(encoding="utf-8"), file.name


@pytest.fixture(scope="module")
def recorded(dsn: str) -> Iterator[tuple[Shop, list[dict[str, Any]]]]:
    """A shop in which everything happened, and its record."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        record_everything(shop)
        yield shop, shop.sql("SELECT * FROM audit_events ORDER BY event_id")


def test_every_event_happens_and_its_json_fits_its_class(
    recorded: tuple[Shop, list[dict[str, Any]]],
) -> None:
    _, rows = recorded
    seen: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        event, data = CATALOGUE[row["event"]], row["data"]
        # Types as JSON has them: a number in quotes is none.
        stored = TypeAdapter(event).validate_json(json.dumps(data), strict=True)
        assert always(event) <= data.keys() <= event.fields().keys(), row
        assert json.loads(stored.json()).keys() == {
            name for name, value in data.items() if value is not None or name in always(event)
        }
        seen[row["event"]] |= {name for name, value in data.items() if value is not None}

    assert set(CATALOGUE) - seen.keys() == set(), "events that no action here leaves"
    for name, event in CATALOGUE.items():
        assert event.fields().keys() - seen[name] == set(), f"fields that no {name} here has"


def test_every_event_is_told_in_a_sentence(recorded: tuple[Shop, list[dict[str, Any]]]) -> None:
    _, rows = recorded
    columns = [each.name for each in fields(EventRow)]
    for row in rows:
        event = EventRow(**{name: row[name] for name in columns})
        told = sentence(event, {row["partner_id"]: "Ferry Tours"}, {1: "mei"})
        assert told.endswith("."), row
        assert not re.search(r"[{}?]|None", told.striptags()), row


def test_no_event_has_anything_of_a_customer(recorded: tuple[Shop, list[dict[str, Any]]]) -> None:
    _, rows = recorded
    text = json.dumps([row["data"] for row in rows])

    assert [each for each in CUSTOMER if each in text] == []
    for event in CATALOGUE.values():
        assert [name for name in event.fields() if PERSONAL.search(name)] == []


def test_the_api_shows_those_events_of_a_ticket_that_its_partner_may_see() -> None:
    shown = TicketEvent.model_fields
    fields = {name for event in OF_TICKET for name in event.fields()}

    assert list(get_args(shown["event"].annotation)) == [GENERATED, *(each.event_name for each in OF_TICKET)]
    assert shown.keys() - {"event", "occurred_at", "order_id"} == set(DETAILS)
    assert set(DETAILS) <= fields, "details that no event has"


def test_every_actor_can_be_searched(recorded: tuple[Shop, list[dict[str, Any]]]) -> None:
    shop, rows = recorded
    for actor in {row["actor"] for row in rows}:
        kind, _, number = actor.partition(":")
        staff = {int(number): "mei"} if kind == STAFF else {}
        event_filter = EventFilter(actor=actor_of(staff[int(number)] if staff else actor, staff))
        found = shop.operate(
            lambda database, _, event_filter=event_filter: search_events(database, event_filter, None)
        )
        assert actor in {event.actor for event in found.events}, actor


def test_a_sentence_names_fields_of_its_class_only() -> None:
    catalogue = Catalogue()
    with pytest.raises(EventMismatch, match=r"Eaten: its sentences name \['cake'\]"):

        @catalogue.event("ticket.eaten", "Ticket eaten", "Ticket {ticket} was eaten with {cake}.")
        class Eaten(AuditEvent):  # pyright: ignore[reportUnusedClass]
            tea: str

    with pytest.raises(EventMismatch, match=r"Drunk: its sentence names \['tea'\], which can be absent"):

        @catalogue.event("ticket.drunk", "Ticket drunk", "{tea} was drunk.")
        class Drunk(AuditEvent):  # pyright: ignore[reportUnusedClass]
            tea: str | None = None

    with pytest.raises(EventMismatch, match=r"\['days'\], which are no fields"):

        @catalogue.event("ticket.late", "Late", "Late.", also={"days": "Later."})
        class Late(AuditEvent): ...  # pyright: ignore[reportUnusedClass]


def test_a_name_stands_once_and_says_what_the_event_is_about() -> None:
    catalogue = Catalogue()

    @catalogue.event("ticket.eaten", "Ticket eaten", "Eaten.")
    class Eaten(AuditEvent): ...

    assert catalogue["ticket.eaten"] is Eaten
    with pytest.raises(EventMismatch, match="declared twice"):
        catalogue.event("ticket.eaten", "Ticket eaten", "Eaten.")(type("Again", (AuditEvent,), {}))
    with pytest.raises(EventMismatch, match="about nothing"):
        catalogue.event("cake.eaten", "Cake eaten", "Eaten.")(type("Cake", (AuditEvent,), {}))


def test_an_event_is_read_as_it_was_stored_and_one_of_another_version_is_not() -> None:
    stored = CATALOGUE.read("ticket.cancelled", {"reason": "lost", "later": 1})

    assert isinstance(stored, ReasonGiven)
    assert json.loads(stored.json()) == {"reason": "lost"}
    assert CATALOGUE.read("ticket.cancelled", {}) is None
    assert CATALOGUE.read("cake.eaten", {}) is None
