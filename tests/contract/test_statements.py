"""Every statement stands in a file, fits the schema, and stays with its partner."""

import re
from pathlib import Path

import psycopg
import pytest

from premade.postgres import statements
from premade.postgres.statements import Statement

PACKAGE = Path(statements.__file__).parents[1]
FILES = sorted(file for file in PACKAGE.rglob("*.sql") if file.parent.name != "migrations")
PARTNER_TABLES = re.compile(r"\b(pre_generated_tickets|ota_orders|batches|reservations)\b")
ACROSS_PARTNERS = {
    "list_allotments": "the operator's list, of allotments that partners of a channel share",
    "give_new_key_to_unfinished_batches": "after a restore, whosever they are",
    "tickets_with_tokens_of": "all that a signing key has signed, before it is retired",
    "made_of_product": "how much of a product is made, before the operator changes it",
}


def named(file: Path) -> list[Statement]:
    return list(vars(statements.load(str(file.with_suffix(".py")))).values())


ALL = [(file, statement) for file in FILES for statement in named(file)]


def test_there_are_statements() -> None:
    assert len(FILES) >= 10
    assert len(ALL) >= 30


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_of_statements_stands_beside_its_module_and_names_each_once(file: Path) -> None:
    names = re.findall(r"^-- name: (.*)$", file.read_text(), re.MULTILINE)

    assert file.with_suffix(".py").exists()
    assert len(names) == len(set(names)) == len(named(file))
    module = file.with_suffix(".py").read_text()
    assert all(f"sql.{name}" in module for name in names), "a statement that nobody uses"


@pytest.mark.parametrize("statement", [statement for _, statement in ALL], ids=lambda value: value.name)
def test_every_statement_can_be_prepared(statement: Statement, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        if not statement.name.startswith("lock_"):
            connection.execute(b"PREPARE it AS " + statement.text)
        else:
            with connection.transaction(force_rollback=True):
                connection.execute(statement.text.replace(b"$1", b"1"))


@pytest.mark.parametrize(("file", "statement"), ALL, ids=lambda value: getattr(value, "name", ""))
def test_a_statement_on_a_partner_s_rows_carries_partner_id(file: Path, statement: Statement) -> None:
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


def test_no_other_module_has_sql_in_it() -> None:
    verbs = re.compile(r"[\"'](SELECT|INSERT INTO|UPDATE|DELETE FROM) ")

    found = {
        file.relative_to(PACKAGE).parts[0] for file in PACKAGE.rglob("*.py") if verbs.search(file.read_text())
    }

    assert found == {"postgres"}
