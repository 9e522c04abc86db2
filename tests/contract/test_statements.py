"""Every statement stands in a file, is declared as PostgreSQL describes it, and stays with its partner."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints
from uuid import UUID

import psycopg
import pytest

import premade
from premade.audit.event import EventName
from premade.postgres.statements import Statement, StatementMismatch, enum_of, statements_of

PACKAGE = Path(premade.__file__).parent
FILES = sorted(file for file in PACKAGE.rglob("*.sql") if file.parent.name != "migrations")
PARTNER_TABLES = re.compile(
    r"\b(pre_generated_tickets|ota_orders|batches|reservations|stock_at|tickets_by_state)\b"
)
ACROSS_PARTNERS = {
    "stock.list_allotments": "the operator's list, of allotments that partners of a channel share",
    "tickets.set_key_of_unfinished_batches": "after a restore, whosever they are",
    "tickets.tickets_with_tokens_of": "all that a signing key has signed, before it is retired",
    "event_archive.unfinished_batch": "before the months of all partners move to the archive",
    "batches.issued_of_product": "how much of a product is made, before the operator changes it",
}
NEVER_NULL_HERE = {
    ("activation.sell", "order_id"): "of tickets that the statement has just sold",
    ("activation.sell", "activated_at"): "of tickets that the statement has just sold",
}
TYPES: dict[str, type] = {
    "bigint": int,
    "integer": int,
    "smallint": int,
    "boolean": bool,
    "bytea": bytes,
    "date": date,
    "double precision": float,
    "interval": timedelta,
    "numeric": Decimal,
    "text": str,
    "timestamp with time zone": datetime,
    "uuid": UUID,
    "xid8": str,
}
# The words that a column can have: 'word' in CASE … THEN 'word' … END AS column.
CASE = re.compile(r"\bCASE\b((?:(?!\bCASE\b).)*?)\bEND AS (\w+)", re.DOTALL)
WORD = re.compile(r"\b(?:THEN|ELSE) '(\w+)'")


def declared_in(file: Path) -> dict[str, Statement[..., Any]]:
    """The statements that the module beside the file declares, by their names there."""
    module = ".".join([premade.__name__, *file.parent.relative_to(PACKAGE).parts, f"{file.stem}_sql"])
    return {name: each for name, each in vars(import_module(module)).items() if isinstance(each, Statement)}


ALL = [(file, statement) for file in FILES for statement in declared_in(file).values()]
STATEMENTS = [statement for _, statement in ALL]
by_name = pytest.mark.parametrize("statement", STATEMENTS, ids=lambda value: value.name)


def test_there_are_statements() -> None:
    assert len(FILES) >= 10
    assert len(ALL) >= 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_module_beside_a_file_declares_all_its_statements_and_others_use_them(file: Path) -> None:
    names = re.findall(r"^-- name: (.*)$", file.read_text(), re.MULTILINE)

    assert len(names) == len(set(names))
    assert set(names) == set(declared_in(file)), "a statement that nobody declares"
    users = [each.read_text() for each in PACKAGE.rglob("*.py") if f"{file.stem}_sql" in each.read_text()]
    unused = [name for name in names if not any(re.search(rf"sql\.{name}\b", user) for user in users)]
    assert not unused, "statements that nobody uses"


def test_the_qualified_names_are_unique() -> None:
    names = [statement.name for statement in STATEMENTS]

    assert sorted(names) == sorted(set(names))


def test_a_declaration_without_its_statement_or_with_other_parameters_cannot_be_imported(
    tmp_path: Path,
) -> None:
    (tmp_path / "some.sql").write_text("-- name: one\nSELECT :number::integer AS number")
    statement = statements_of(str(tmp_path / "some_sql.py"))

    def two() -> int: ...

    def one(*, figure: int) -> int: ...

    with pytest.raises(StatementMismatch, match="has no statement 'two'"):
        statement(two)
    with pytest.raises(StatementMismatch, match=r"takes \['number'\], and its declaration \['figure'\]"):
        statement(one)


class Described:
    """A statement as PostgreSQL describes it once it is PREPAREd."""

    def __init__(self, connection: psycopg.Connection[Any], statement: Statement[..., Any]) -> None:
        self.connection = connection
        result = connection.pgconn.prepare(b"", statement.text)
        assert not result.error_message, result.error_message.decode()
        self.result = connection.pgconn.describe_prepared(b"")
        self.types: dict[int, str] = dict(
            connection.execute("SELECT oid, format_type(oid, NULL) FROM pg_type").fetchall()
        )

    @property
    def parameters(self) -> list[str]:
        return [self.types[self.result.param_type(place)] for place in range(self.result.nparams)]

    @property
    def columns(self) -> dict[str, str]:
        return {
            self.name(place): self.types[self.result.ftype(place)] for place in range(self.result.nfields)
        }

    def name(self, place: int) -> str:
        name = self.result.fname(place)
        assert name is not None
        return name.decode()

    def nullable_columns(self) -> Iterator[str]:
        """Yield the columns of tables that have no NOT NULL there."""
        for place in range(self.result.nfields):
            row = self.connection.execute(
                "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s AND attnum = %s",
                [self.result.ftable(place), self.result.ftablecol(place)],
            ).fetchone()
            if row is not None and not row[0]:
                yield self.name(place)


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


def row_of(statement: Statement[..., Any]) -> Any:
    return get_type_hints(statement.declared)["return"]


def fields_of(row: Any, columns: dict[str, str]) -> dict[str, Any]:
    """The declared types by column; a plain type stands for the only column."""
    if row is NoneType:
        return {}
    if is_dataclass(row):
        return {each.name: get_type_hints(row)[each.name] for each in fields(row)}
    assert len(columns) == 1
    return dict.fromkeys(columns, row)


def without_none(declared: Any) -> Any:
    if isinstance(declared, UnionType):
        [declared] = [each for each in get_args(declared) if each is not NoneType]
    return declared


def fits(declared: Any, named: str, *, is_parameter: bool) -> bool:
    declared = without_none(declared)
    if get_origin(declared) is EventName:
        declared = str
    if named in ("jsonb", "json"):
        return declared is str if is_parameter else get_origin(declared) in (dict, list)
    if named == "void":
        return declared is object
    if named.endswith("[]"):
        return declared == list[TYPES[named.removesuffix("[]")]]
    return declared is TYPES[named] or (enum_of(declared) is not None and named == "text")


@by_name
def test_a_statement_is_declared_as_postgresql_describes_it(
    statement: Statement[..., Any], connection: psycopg.Connection[Any]
) -> None:
    if b"LOCK TABLE" in statement.text:
        # It cannot be PREPAREd.
        with connection.transaction(force_rollback=True):
            connection.execute(statement.text)
        assert row_of(statement) is NoneType
        return
    described = Described(connection, statement)
    types = get_type_hints(statement.declared)
    row = types.pop("return")

    for name, named in zip(statement.parameters, described.parameters, strict=True):
        assert fits(types[name], named, is_parameter=True), f"parameter {name}: {types[name]}, {named}"
    if row is NoneType:
        assert set(described.columns.values()) <= {"void"}
        return
    declared = fields_of(row, described.columns)
    assert declared.keys() == described.columns.keys()
    for name, named in described.columns.items():
        assert fits(declared[name], named, is_parameter=False), f"column {name}: {declared[name]}, {named}"
    for name in described.nullable_columns():
        if (statement.name, name) not in NEVER_NULL_HERE:
            assert NoneType in get_args(declared[name]), f"column {name} can be NULL"


def test_the_words_that_statements_return_are_those_of_their_enums() -> None:
    returned: defaultdict[type[StrEnum], set[str]] = defaultdict(set)
    for statement in STATEMENTS:
        text = re.sub(r"--.*", "", statement.text.decode())
        words = {column: set(WORD.findall(case)) for case, column in CASE.findall(text)}
        row = row_of(statement)
        for column, declared in fields_of(row, {}).items() if is_dataclass(row) else ():
            if (enum := enum_of(without_none(declared))) and column in words:
                returned[enum] |= words[column]
            else:
                assert column != "outcome", f"{statement.name}: an outcome is an enum"

    assert len(returned) >= 2
    for enum, words in returned.items():
        assert words == set(enum), enum


@pytest.mark.parametrize(("file", "statement"), ALL, ids=lambda value: getattr(value, "name", ""))
def test_a_statement_on_a_partner_s_rows_carries_partner_id(
    file: Path, statement: Statement[..., Any]
) -> None:
    text = re.sub(r"--.*", "", statement.text.decode())

    if PARTNER_TABLES.search(text) and statement.name not in ACROSS_PARTNERS:
        assert "partner_id" in text, f"{file.name}: {statement.name}"
    assert "SELECT *" not in text or "WITH" in text


def test_the_exceptions_are_statements_that_need_to_be_ones() -> None:
    across = {
        statement.name
        for _, statement in ALL
        if PARTNER_TABLES.search(text := statement.text.decode()) and "partner_id" not in text
    }

    assert across == set(ACROSS_PARTNERS)


@pytest.mark.parametrize(
    ("condition", "reader"),
    [
        # The writer locks the rows by their place on disk.
        (r"\bexpires_at <= both_clocks\(", {"stock.expire"}),
        (r"\bFILTER \(WHERE \w*\.?status = 'EXPIRED'", set[str]()),
    ],
    ids=["stale reservations: stock_at", "tickets by state: tickets_by_state"],
)
def test_what_several_statements_read_alike_is_a_function_of_the_database(
    condition: str, reader: set[str]
) -> None:
    assert {each.name for each in STATEMENTS if re.search(condition, each.text.decode())} == reader


def test_no_other_module_has_sql_in_it() -> None:
    verbs = re.compile(r"[\"'](SELECT|INSERT INTO|UPDATE|DELETE FROM) ")

    found = {
        file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py") if verbs.search(file.read_text())
    }

    assert found == {"postgres"}
