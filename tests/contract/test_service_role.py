"""The service's role: exactly the rights that the service needs, and no way to change the schema or the audit record."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.errors import InsufficientPrivilege
from support.growth import analyse
from support.postgres import as_service_role, own_database
from support.service import Service
from support.shop import unique
from support.terminal import Operator

import premade
from premade.bootstrap import bring_up_to_date, database_to_serve
from premade.postgres.service_role import ServiceRoleRefused, make_service_role, rights_of_connection
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings

WORLD = Runtime(ZoneInfo("UTC"))
NOTHING = "WHERE false"
RECORD = ["audit_events", "audit_events_default", "audit_keys", "audit_archives"]


@pytest.fixture(scope="module")
def own(dsn: str) -> Iterator[str]:
    with own_database(dsn) as made:
        yield made


@pytest.fixture(scope="module")
def as_service(own: str) -> str:
    return as_service_role(own)


@pytest.fixture
def role(own: str) -> Iterator[str]:
    """A role without any rights."""
    name = unique("guest").replace("-", "_")
    execute(own, f"CREATE ROLE {name} LOGIN")
    yield name
    execute(own, f"REASSIGN OWNED BY {name} TO premade; DROP OWNED BY {name}; DROP ROLE {name}")


def execute(dsn: str, text: str) -> list[tuple[Any, ...]]:
    """Run the statements, and return the rows of the last one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(text.encode())
        return cursor.fetchall() if cursor.description is not None else []


def tables_of(dsn: str) -> list[str]:
    return [
        name
        for (name,) in execute(
            dsn,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1",
        )
    ]


def test_it_cannot_change_the_schema(as_service: str) -> None:
    changes = [
        "CREATE TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE INDEX ON partners (name)",
        "CREATE TRIGGER mine BEFORE INSERT ON audit_events FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()",
        "ALTER TABLE partners ADD COLUMN mine int",
        "ALTER TABLE audit_events DISABLE TRIGGER audit_is_append_only",
        "ALTER FUNCTION refuse_audit_change() OWNER TO CURRENT_USER",
        "DROP TABLE audit_events_default",
    ]

    for change in changes:
        with pytest.raises(InsufficientPrivilege):
            execute(as_service, change)


def test_functions_that_a_restore_opened_are_closed_by_the_next_migrate(own: str, role: str) -> None:
    with psycopg.connect(own) as connection:
        functions = [
            name
            for (name,) in connection.execute(
                "SELECT oid::regprocedure::text FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
            )
        ]
    assert len(functions) == 3
    for function in functions:
        execute(own, f"GRANT EXECUTE ON FUNCTION {function} TO PUBLIC")

    bring_up_to_date(own, WORLD)

    for function in functions:
        assert execute(own, f"SELECT has_function_privilege('{role}', '{function}', 'EXECUTE')") == [(False,)]


def test_tables_of_another_owner_are_left_alone(own: str, as_service: str, role: str) -> None:
    execute(own, f"CREATE TABLE report (); ALTER TABLE report OWNER TO {role}")

    bring_up_to_date(own, WORLD)

    with pytest.raises(InsufficientPrivilege):
        execute(as_service, "SELECT FROM report")
    execute(own, "DROP TABLE report")


def test_it_cannot_change_the_audit_record(own: str, as_service: str) -> None:
    months = [name for (name,) in execute(own, "SELECT table_name FROM audit_months")]
    assert len(months) >= 4

    for table in [*RECORD, *months]:
        [column] = execute(
            own,
            f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1",
        )[0]
        for change in (
            f"UPDATE {table} SET {column} = {column} {NOTHING}",
            f"DELETE FROM {table} {NOTHING}",
            f"TRUNCATE {table}",
        ):
            with pytest.raises(InsufficientPrivilege):
                execute(as_service, change)
    with pytest.raises(InsufficientPrivilege):
        execute(as_service, "SELECT setval('audit_events_event_id_seq', 1)")
    assert set(RECORD) | set(months) == {name for name in tables_of(own) if name.startswith("audit_")}


def test_it_reads_all_tables_and_deletes_only_where_a_statement_does(own: str, as_service: str) -> None:
    sources = [
        file
        for file in Path(premade.__file__).parent.rglob("*.sql")
        # The owner of the tables migrates, and moves the archive.
        if file.parent.name not in {"migrations", "event_archive"}
    ]
    deleted_from = set(re.findall(r"\bDELETE FROM (\w+)", "".join(file.read_text() for file in sources)))

    may_delete: set[str] = set()
    for table in tables_of(own):
        execute(as_service, f"SELECT FROM {table} LIMIT 0")
        try:
            execute(as_service, f"DELETE FROM {table} {NOTHING}")
        except InsufficientPrivilege:
            continue
        may_delete.add(table)

    assert may_delete == deleted_from


def test_it_does_what_the_owner_lends_it(own: str, as_service: str) -> None:
    execute(own, "ALTER TABLE gate_counts SET (autovacuum_enabled = off)")
    execute(
        as_service,
        "INSERT INTO gate_counts (day, owner, device_id, code, counted, last_at)"
        " SELECT '2026-01-01', 'key:1', gen_random_uuid(), repeat('c', 100), 1, now() FROM generate_series(1, 2000)",
    )

    assert analyse(as_service) == ["gate_counts"]
    with pytest.raises(psycopg.errors.RaiseException, match="not a table of this schema"):
        execute(as_service, "SELECT analyse_table('pg_catalog.pg_class')")
    next_year = "(date_trunc('month', now() AT TIME ZONE 'UTC') + interval '8 months')::date"
    assert execute(as_service, f"SELECT create_audit_month({next_year})") == [(True,)]
    [month] = execute(own, "SELECT table_name FROM audit_months ORDER BY starts_at DESC LIMIT 1")[0]
    with pytest.raises(InsufficientPrivilege):
        execute(as_service, f"DELETE FROM {month}")
    assert asyncio.run(rights_of_connection(as_service)).lacking == []


def test_only_a_service_may_call_functions_with_the_rights_of_the_owner(own: str, role: str) -> None:
    calls = ["begin_incarnation(0)", "analyse_table('partners')", "create_audit_month(current_date)"]
    execute(own, f"GRANT USAGE ON SCHEMA public TO {role}")

    for call in calls:
        with pytest.raises(InsufficientPrivilege, match="permission denied for function"):
            execute(make_conninfo(own, user=role), f"SELECT {call}")
    [defined] = execute(
        own, "SELECT count(*) FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    )
    assert defined == (len(calls),)
    settings = execute(
        own,
        "SELECT proconfig[array_upper(proconfig, 1)] FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace",
    )
    assert all(re.fullmatch(r"search_path=public, pg_temp", setting) for (setting,) in settings)


def test_the_command_grants_and_takes_back_and_later_migrations_renew(own: str, role: str) -> None:
    execute(own, f"GRANT DELETE, TRUNCATE ON audit_events, pre_generated_tickets TO {role}")

    done = Operator(own).does("migrate", "--service-role", role)

    assert done["granted"] > len(tables_of(own))
    assert asyncio.run(make_service_role(own, role)) == 0
    rights = asyncio.run(rights_of_connection(make_conninfo(own, user=role)))
    assert (rights.lacking, rights.surplus, rights.excess) == ([], [], [])
    try:
        execute(own, "CREATE TABLE of_the_next_version (id int)")
        reports: list[str] = []
        bring_up_to_date(own, WORLD, report=reports.append)
        assert any(role in report for report in reports)
        execute(make_conninfo(own, user=role), "UPDATE of_the_next_version SET id = 1")
    finally:
        execute(own, "DROP TABLE of_the_next_version")


def test_roles_that_cannot_be_the_service_s(own: str, role: str) -> None:
    def refusal(**connection: str) -> str:
        with pytest.raises(ServiceRoleRefused) as refused:
            asyncio.run(make_service_role(make_conninfo(own, **connection), role))
        return str(refused.value)

    execute(own, f"GRANT USAGE ON SCHEMA public TO {role}")
    assert "may not grant rights on" in refusal(user=role)
    execute(own, f"ALTER ROLE {role} CREATEROLE")
    assert f"{role} can create roles" in refusal()
    execute(own, f"ALTER ROLE {role} NOCREATEROLE; GRANT premade TO {role}")
    assert "owns tables" in refusal()
    execute(
        own,
        f"REVOKE premade FROM {role}; GRANT CREATE ON DATABASE {conninfo_to_dict(own)['dbname']} TO {role}",
    )
    assert "can create objects in the database" in refusal()
    execute(own, f"ALTER ROLE {role} SUPERUSER")
    assert "is a superuser" in refusal()
    execute(own, f"ALTER ROLE {role} NOSUPERUSER")
    assert "CREATE ROLE nobody_knows LOGIN" in Operator(own).is_refused(
        "migrate", "--service-role", "nobody_knows"
    )


def test_the_service_warns_once_of_a_role_with_too_much_power(
    own: str, as_service: str, service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    for dsn, warnings in ((own, 1), (as_service, 0)):
        with database_to_serve(Settings(database_url=dsn), WORLD):
            pass
        assert "".join(capsys.readouterr()).count("database.role_too_powerful") == warnings
    assert not [line for line in service.log_lines() if line["event"] == "database.role_too_powerful"]
