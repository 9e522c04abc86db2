"""`premade doctor` finds what is wrong with an installation, says how to repair it, and changes nothing."""

import ast
import asyncio
import dataclasses
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from string import Formatter
from typing import Any
from zoneinfo import ZoneInfo

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from support.cluster import cluster, needs_standalone
from support.disks import small_disk
from support.postgres import as_service_role, empty_database, own_database
from support.processes import wait_until
from support.service import MASTER_KEY, TEST_MASTER_KEY, environment_for, running_service
from support.shop import Shop
from support.signing_seeds import plain_seeds
from support.spread import spread
from support.terminal import Operator, command

import premade
from premade.bootstrap import bring_up_to_date, ready_database
from premade.doctor.check import ANY, Check, Installation, Mark, Result
from premade.doctor.checks.clocks import CLOCKS
from premade.doctor.checks.disk import space_of
from premade.doctor.checks.files import judged as judged_files
from premade.doctor.checks.postgresql import judged as judged_version
from premade.doctor.checks.settings import HIDDEN, shown
from premade.doctor.checks.zone import ZONE
from premade.doctor.examine import CHECKS, Line, examine, worst
from premade.postgres.application_name import this_process
from premade.postgres.background_runs import LATE_SECONDS_MAX
from premade.postgres.database import open_database
from premade.postgres.pool import CONNECT_TIMEOUT_SECONDS
from premade.runtime.clock import Runtime
from premade.runtime.master_keys import new_master_key
from premade.runtime.settings import Settings
from premade.texts.doctor import doctor_texts

SOURCE = Path(premade.__file__).parent / "doctor"
DOCUMENT = Path(__file__).parents[2] / "docs" / "doctor-and-logs.md"
WORLD = Runtime(ZoneInfo("UTC"))
LAST_MIGRATION = "(SELECT max(name) FROM schema_migrations)"


@pytest.fixture(scope="module")
def own(dsn: str) -> Iterator[str]:
    """A database that these tests break and repair."""
    with own_database(dsn) as made:
        yield made


# --- The texts ---


def results_in(source: Path) -> Iterator[tuple[str, set[str]]]:
    """The reasons of the results in a module, each with the names of its values."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "result":
            # `result("a" if … else "b", …)`, or a name that was set to words before.
            words = [each for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
            if not words:
                words = [
                    each
                    for assigned in ast.walk(ast.parse(source.read_text()))
                    if isinstance(assigned, ast.Assign) and getattr(assigned.targets[0], "id", "") == "reason"
                    for each in ast.walk(assigned.value)
                    if isinstance(each, ast.Constant)
                ]
            given = {keyword.arg or "" for keyword in node.keywords}
            yield from ((str(word.value), given) for word in words if isinstance(word.value, str))


def test_each_result_has_its_text_with_its_values_and_each_text_is_used() -> None:
    used: set[tuple[str, str]] = set()
    for check in CHECKS:
        sources = [SOURCE / "checks" / f"{check.name}.py"]
        sources += [SOURCE / "examine.py"] if check.name == "database" else []
        for source in sources:
            for reason, given in results_in(source):
                text = doctor_texts()[check.name][reason]
                templates = f"{text.text} {text.remedy or ''}"
                assert {name for _, name, _, _ in Formatter().parse(templates) if name} <= given, reason
                used.add((check.name, reason))

    assert used == {
        (name, reason) for name, texts in doctor_texts().items() for reason in texts if name != ANY
    }
    assert len(used) > 40


def test_each_warning_and_each_wrong_result_has_a_remedy() -> None:
    for texts in doctor_texts().values():
        for reason, text in texts.items():
            assert bool(text.remedy) == (Mark(text.mark) in {Mark.WARNING, Mark.WRONG}), reason


def test_each_check_is_a_module_and_is_listed_and_described() -> None:
    modules = {path.stem for path in (SOURCE / "checks").glob("[a-z]*.py")}

    described = re.findall(
        r"(?m)^\| `(\w+)` \| ", DOCUMENT.read_text().partition("| check |")[2].partition("## ")[0]
    )
    assert modules == {check.name for check in CHECKS} == set(doctor_texts()) - {ANY}
    assert described == [check.name for check in CHECKS]


# --- A sound installation ---


def lines_of(lines: list[Line], check: str) -> list[Line]:
    return [line for line in lines if line.check == check]


def test_a_sound_installation_has_nothing_wrong(shop: Shop) -> None:
    answer = Operator(shop.dsn).does("doctor")

    marks = {line["check"]: line["mark"] for line in answer["checks"]}
    assert set(marks) == {check.name for check in CHECKS}
    # The tests run as a superuser, on a PostgreSQL that grows old.
    assert {check for check, mark in marks.items() if mark != "ok"} <= {"role", "postgresql"}
    assert answer["mark"] == "warning"
    assert {line["check"]: line for line in answer["checks"]}["processes"]["text"].startswith("2 workers")


def test_the_table_fits_into_80_columns_and_shows_each_remedy(own: str) -> None:
    done = Operator(own).run("doctor", COLUMNS="80")

    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"^warning +role ", done.stdout, re.MULTILINE)
    assert "→ Create a role for the service" in " ".join(done.stdout.split())


# --- Without a database ---


def run_without(
    tmp_path: Path, dsn: str | None = None, **environment: str
) -> tuple[int, dict[str, Any], str]:
    done = command({**environment_for(dsn), **environment}, "doctor", "--json", folder=tmp_path)
    assert b"Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout), (done.stdout + done.stderr).decode()


def by_check(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["check"]: line for line in answer["checks"]}


def test_without_a_folder_it_says_what_it_can_and_creates_nothing(tmp_path: Path) -> None:
    code, answer, _ = run_without(tmp_path)

    lines = by_check(answer)
    assert code == 1
    assert lines["database"]["mark"] == "wrong"
    assert f"{tmp_path}/var/postgres" in lines["database"]["text"]
    assert "premade migrate" in lines["database"]["remedy"]
    assert lines["disk"]["mark"] in {"ok", "warning", "wrong"}
    assert {line["mark"] for name, line in lines.items() if name in {"schema", "role", "zone"}} == {
        "unchecked"
    }
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_refuses_is_named_without_the_password(tmp_path: Path) -> None:
    code, answer, text = run_without(tmp_path, "postgresql://mei:s3cret@127.0.0.1:1/premade")

    database = by_check(answer)["database"]
    assert (code, database["mark"]) == (1, "wrong")
    assert "host 127.0.0.1, port 1, database premade" in database["text"]
    assert "refused" in database["text"]
    assert "s3cret" not in text


def test_settings_that_are_wrong_or_misspelt_are_named(tmp_path: Path) -> None:
    code, answer, _ = run_without(
        tmp_path, PREMADE_TIMEZONE="Mars", PREMADE_DRAIN_SECOND="1", PREMADE_ZZZ="1"
    )

    said = [(line["check"], line["mark"], line["text"], line["remedy"]) for line in answer["checks"]]
    assert code == 1
    assert any(
        check == "settings" and mark == "wrong" and text.startswith("PREMADE_TIMEZONE: ")
        for check, mark, text, _ in said
    )
    misspelt, unknown = [line for line in said if line[0] == "variables"]
    assert "PREMADE_DRAIN_SECOND is not" in misspelt[2]
    assert "PREMADE_DRAIN_SECONDS" in misspelt[3]
    assert (unknown[1], "PREMADE_ZZZ" in unknown[2]) == ("wrong", True)
    assert by_check(answer)["disk"]["mark"] == "unchecked"


def test_each_setting_comes_with_its_source_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    class More(Settings):
        api_secret: str = "s3cret"

    monkeypatch.setenv("PREMADE_TIMEZONE", "Asia/Hong_Kong")
    monkeypatch.setenv("DATABASE_URL", "postgresql://mei:s3cret@db.example/premade?sslmode=require")
    [line] = lines_of(examine(checks=[check for check in CHECKS if check.name == "settings"]), "settings")

    assert line.facts["PREMADE_TIMEZONE"] == "Asia/Hong_Kong (environment)"
    assert line.facts["PREMADE_DRAIN_SECONDS"] == "0.5 (default)"
    assert line.facts["DATABASE_URL"] == "host db.example, database premade (environment)"
    assert len(line.facts) == len(Settings.model_fields)
    assert shown(More(), "api_secret") == HIDDEN


# --- What can be wrong with a database ---


@contextmanager
def as_worker(dsn: str, of_version: str = version("premade")) -> Generator[None]:
    """A connection that says it is one of a worker."""
    name = dataclasses.replace(this_process("worker"), version=of_version).application_name
    with psycopg.connect(dsn, application_name=name):
        yield


def execute(dsn: str, script: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        # Triggers protect some of the rows.
        connection.execute("SET session_replication_role = replica")
        for statement in script.split(";"):
            connection.execute(statement.encode())


def examined(monkeypatch: pytest.MonkeyPatch, dsn: str, **environment: str) -> list[Line]:
    monkeypatch.setenv("DATABASE_URL", dsn)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return examine()


KEEP_KEYS = "CREATE TABLE kept AS TABLE signing_keys"
PUT_KEYS_BACK = "DELETE FROM signing_keys; INSERT INTO signing_keys TABLE kept; DROP TABLE kept"
KEEP_ROWS = "CREATE TABLE kept AS TABLE schema_migrations"
PUT_ROWS_BACK = "DELETE FROM schema_migrations; INSERT INTO schema_migrations TABLE kept; DROP TABLE kept"
BROKEN: dict[str, tuple[str, str, str, str, str]] = {
    # What breaks it, what repairs it, the check, its mark, a part of its text and remedy.
    "a migration is missing": (
        f"{KEEP_ROWS}; DELETE FROM schema_migrations WHERE name = {LAST_MIGRATION}",
        PUT_ROWS_BACK,
        "schema",
        "wrong",
        "premade migrate",
    ),
    "a migration was edited": (
        f"{KEEP_ROWS}; UPDATE schema_migrations SET sha256 = 'x' WHERE name = {LAST_MIGRATION}",
        PUT_ROWS_BACK,
        "schema",
        "wrong",
        "differs from the applied file",
    ),
    "a newer version migrated it": (
        f"{KEEP_ROWS}; INSERT INTO schema_migrations (name, sha256) VALUES ('9999_new.sql', 'x')",
        PUT_ROWS_BACK,
        "schema",
        "warning",
        "9999_new.sql",
    ),
    "there is no live key": (
        f"{KEEP_KEYS}; UPDATE signing_keys SET retired_at = now() WHERE key_id LIKE 'K%'",
        PUT_KEYS_BACK,
        "signing_keys",
        "wrong",
        "premade signing-key rotate",
    ),
    "a test key has another public half": (
        f"{KEEP_KEYS}; UPDATE signing_keys t SET public_key = k.public_key FROM kept k WHERE (k.key_id, t.key_id) = ('K1', 'T1')",
        PUT_KEYS_BACK,
        "signing_keys",
        "wrong",
        "T1 is not valid",
    ),
    "it was restored": (
        "UPDATE database_incarnation SET server = 'another.1'",
        "UPDATE database_incarnation SET server = database_server(), written_in = pg_current_xact_id()",
        "incarnation",
        "wrong",
        "Start the service",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_fault_of_the_database_is_found_with_its_remedy(
    own: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    breaking, repairing, check, mark, part = BROKEN[fault]
    execute(own, breaking)
    try:
        lines = examined(monkeypatch, own)
    finally:
        execute(own, repairing)

    [line] = [each for each in lines_of(lines, check) if each.mark == mark]
    assert part in f"{line.text} {line.remedy}"
    assert worst(lines) == ("wrong" if mark == "wrong" else "warning")


def test_a_database_without_a_schema(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with empty_database(dsn) as empty:
        lines = examined(monkeypatch, empty)

        [schema] = lines_of(lines, "schema")
        assert (schema.mark, schema.remedy) == ("wrong", "Run 'premade migrate'.")
        assert {line.mark for line in lines_of(lines, "signing_keys")} == {"unchecked"}
        with psycopg.connect(empty) as connection:
            assert (
                connection.execute(
                    "SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                ).fetchall()
                == []
            )


def test_a_job_that_stopped_is_named(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    execute(
        own,
        "TRUNCATE background_runs; INSERT INTO background_runs"
        f" VALUES ('expiry.pass', now() - interval '{LATE_SECONDS_MAX + 61} s', 60), ('figures.roll_up', now(), 5)",
    )
    [idle] = lines_of(examined(monkeypatch, own), "background_jobs")
    with as_worker(own):
        late = lines_of(examined(monkeypatch, own), "background_jobs")

    assert idle.mark == "warning"
    assert next((line.mark, line.text) for line in late) == (
        "wrong",
        "expiry.pass last ended 4 minutes ago. It should run every 60 s.",
    )
    assert "incarnation.look never ended without an error." in [line.text for line in late]
    assert not any("figures.roll_up" in line.text for line in late)


def test_workers_of_another_version_are_named_and_so_is_their_absence(
    own: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    [none] = lines_of(examined(monkeypatch, own), "processes")
    with as_worker(own, "9.9.9"), psycopg.connect(own, application_name="premade"):
        other = lines_of(examined(monkeypatch, own), "processes")
    with psycopg.connect(own, application_name="premade"):
        [unknown] = lines_of(examined(monkeypatch, own), "background_jobs")

    assert (none.mark, none.text) == ("warning", "No worker is connected to this database.")
    assert [line.mark for line in other] == ["warning", "warning"]
    assert "0.1.0 or earlier" in other[0].text
    assert "9.9.9" in other[1].text
    assert (unknown.mark, unknown.remedy) == ("warning", "Upgrade the service.")


def test_the_role_of_the_connection(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_clerk = make_conninfo(own, user="clerk")
    execute(
        own,
        "CREATE ROLE clerk LOGIN; GRANT USAGE ON SCHEMA public TO clerk; GRANT SELECT ON schema_migrations TO clerk",
    )
    try:
        [superuser] = lines_of(examined(monkeypatch, own), "role")
        [lacking] = lines_of(examined(monkeypatch, as_clerk), "role")
        as_service_role(own, "clerk")
        [exact] = lines_of(examined(monkeypatch, as_clerk), "role")
        execute(own, "GRANT DELETE ON audit_events_default TO clerk")
        [can_delete] = lines_of(examined(monkeypatch, as_clerk), "role")
        execute(own, "ALTER TABLE staff OWNER TO clerk")
        [owner] = lines_of(examined(monkeypatch, as_clerk), "role")
    finally:
        execute(own, "REASSIGN OWNED BY clerk TO premade; DROP OWNED BY clerk; DROP ROLE clerk")

    assert (superuser.mark, "is a superuser" in superuser.text) == ("warning", True)
    assert (lacking.mark, "clerk lacks rights on" in lacking.text) == ("wrong", True)
    assert "premade migrate --service-role clerk" in (lacking.remedy or "")
    assert (exact.mark, exact.facts["owner of tables"][:2]) == ("ok", "no")
    assert (can_delete.mark, "clerk can change the audit record." in can_delete.text) == ("warning", True)
    assert (owner.mark, "owns tables and can" in owner.text) == ("warning", True)


def test_roles_that_need_a_second_factor_without_a_master_key(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"PREMADE_SECOND_FACTOR_ROLES": "admin, finance"}
    with_key = lines_of(examined(monkeypatch, own, **settings), "second_factor")
    monkeypatch.delenv(MASTER_KEY)
    settings["PREMADE_MASTER_KEY_FILE"] = str(tmp_path / "none")
    [without] = lines_of(examined(monkeypatch, own, **settings), "second_factor")

    assert [line.mark for line in with_key] == ["ok"]
    assert without.mark == "wrong"
    assert "The roles admin, finance need a second factor" in without.text
    assert "PREMADE_SECOND_FACTOR_ROLES" in (without.remedy or "")


@pytest.mark.nightly
def test_seeds_that_are_plain_or_cannot_be_opened(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = lines_of(examined(monkeypatch, own), "signing_keys")
    monkeypatch.delenv(MASTER_KEY)
    file = tmp_path / "keys"
    file.write_text(new_master_key())
    file.chmod(0o644)
    foreign = lines_of(examined(monkeypatch, own, PREMADE_MASTER_KEY_FILE=str(file)), "signing_keys")
    monkeypatch.setenv(MASTER_KEY, TEST_MASTER_KEY)
    with plain_seeds(own):
        plain = lines_of(examined(monkeypatch, own), "signing_keys")

    assert [line.mark for line in sealed] == ["ok", "ok"]
    assert [line.mark for line in foreign] == ["wrong", "wrong", "warning", "warning"]
    assert "No master key opens the live key K1" in foreign[0].text
    assert "Every user of this machine can read" in foreign[3].text
    assert [line.mark for line in plain] == ["ok", "ok", "warning"]
    assert "premade signing-key seal" in (plain[2].remedy or "")


def test_the_setting_for_spread_tables(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with own_database(dsn) as own:
        _the_setting(own, monkeypatch)


def _the_setting(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    needless = lines_of(examined(monkeypatch, own, PREMADE_STATEMENTS_BY_PARTNER="true"), "spread")
    assert [line.mark for line in needless] == [Mark.WARNING]
    spread(own)
    [by_partner] = lines_of(examined(monkeypatch, own), "spread")
    [not_set] = lines_of(examined(monkeypatch, own, PREMADE_STATEMENTS_BY_PARTNER="false"), "spread")

    assert (by_partner.mark, not_set.mark) == (Mark.OK, Mark.WRONG)
    assert "PREMADE_STATEMENTS_BY_PARTNER=true" in (not_set.remedy or "")


def result_of(check: Check, dsn: str, runtime: Runtime) -> Result:
    async def run() -> Result:
        async with open_database(dsn, connections_max=1) as database:
            settings = Settings(database_url=dsn)
            here = Installation(runtime, (), settings, dsn=dsn, database_if_reached=database)
            [result] = await check.examine(here)
            return result

    return asyncio.run(run())


def test_clocks_that_are_apart(dsn: str) -> None:
    for shift in (timedelta(seconds=31), timedelta(seconds=-31)):
        shifted = dataclasses.replace(WORLD, now=lambda shift=shift: WORLD.now() + shift)
        assert result_of(CLOCKS, dsn, shifted).reason == "apart"
    assert result_of(CLOCKS, dsn, WORLD).reason == "ok"


def test_a_zone_that_postgresql_reads_in_another_way(dsn: str) -> None:
    assert result_of(ZONE, dsn, Runtime(ZoneInfo("CET"))).reason == "differs"


# --- PostgreSQL's age ---


@pytest.mark.parametrize(
    ("number", "day", "reason"),
    [
        (18_00_04, date(2026, 6, 1), "ok"),
        (18_00_04, date(2026, 10, 1), "old"),
        (18_00_05, date(2026, 6, 1), "ok"),
        (18_00_07, date(2026, 6, 1), "newer"),
        (15_00_01, date(2026, 6, 1), "old"),
        (14_00_23, date(2026, 6, 1), "unsupported"),
        (19_00_00, date(2026, 6, 1), "unsupported"),
    ],
)
def test_the_age_of_postgresql(number: int, day: date, reason: str) -> None:
    assert judged_version(number, day.toordinal(), is_embedded=False).reason == reason


def test_the_release_of_the_embedded_postgresql_is_known(dsn: str, postgres_kind: str) -> None:
    with psycopg.connect(dsn) as connection:
        number = connection.info.server_version
    assert judged_version(number, date(2100, 1, 1).toordinal(), is_embedded=True).reason == "old_embedded"


# --- Files and disk ---


@pytest.mark.parametrize(
    ("limit", "reason"),
    [(136, "too_few"), (5_135, "low"), (5_136, "ok"), (resource.RLIM_INFINITY, "unlimited")],
)
def test_the_limit_of_open_files_of_one_of_two_workers(limit: int, reason: str) -> None:
    assert judged_files("Worker 1", limit, 2, Settings(database_url=None)).reason == reason


@pytest.mark.nightly
@pytest.mark.parametrize(("limit", "mark"), [(136, "wrong"), (1_000, "warning")])
def test_the_limit_of_the_shell_counts_if_no_worker_runs_here(tmp_path: Path, limit: int, mark: str) -> None:
    program = f'ulimit -n {limit}; exec "$0" -m premade doctor --json'
    done = subprocess.run(
        ["/bin/sh", "-c", program, sys.executable],
        cwd=tmp_path,
        env=environment_for(None),
        capture_output=True,
        check=False,
    )

    files = by_check(json.loads(done.stdout))["files"]
    assert (files["mark"], str(limit) in files["text"]) == (mark, True)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("options", "reason"),
    [("size=512m", "full"), ("size=3g", "low"), ("size=12g", "ok"), ("size=12g,nr_inodes=500", "no_files")],
)
def test_the_space_of_a_disk(tmp_path: Path, options: str, reason: str) -> None:
    with small_disk(tmp_path, options):
        found = space_of(tmp_path)

    assert found.reason == reason


# --- Servers ---


@pytest.mark.nightly
@needs_standalone
def test_a_standby_takes_no_writes_and_a_server_over_tcp_shows_no_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with cluster() as primary, cluster() as standby:
        primary.initialise()
        primary.start()
        bring_up_to_date(primary.dsn, WORLD)
        standby.follow(primary)
        standby.start()
        of_primary = examined(monkeypatch, primary.dsn)
        of_standby = examined(monkeypatch, standby.dsn)

    [database] = lines_of(of_standby, "database")
    assert (database.mark, "takes no writes" in database.text) == ("wrong", True)
    assert lines_of(of_standby, "signing_keys")[0].mark == "ok"
    assert {line.check: line.mark for line in of_primary if line.mark != "ok"} == {
        "role": "warning",
        "postgresql": "warning",
        "processes": "warning",
        "background_jobs": "warning",
    }
    [disk] = lines_of(of_primary, "disk")
    assert str(primary.data) in disk.text


@pytest.mark.nightly
@needs_standalone
def test_a_server_that_hangs_ends_the_checks_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster() as server:
        server.initialise()
        server.start()
        postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
        postmaster.suspend()
        began = time.monotonic()
        try:
            lines = examined(monkeypatch, server.dsn)
        finally:
            postmaster.resume()

    assert time.monotonic() - began < 2 * CONNECT_TIMEOUT_SECONDS
    [database] = lines_of(lines, "database")
    assert (database.mark, "timeout" in database.text) == ("wrong", True)


@pytest.mark.nightly
def test_a_server_whose_connections_are_nearly_all_in_use(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    [free] = lines_of(examined(monkeypatch, own), "connections")
    with ExitStack() as open_ones:
        for _ in range(165):
            open_ones.enter_context(psycopg.connect(own))
        [many] = lines_of(examined(monkeypatch, own), "connections")
        few_left = examined(monkeypatch, own, PREMADE_DATABASE_CONNECTIONS_PER_WORKER="100")

    assert (free.mark, many.mark) == ("ok", "warning")
    assert lines_of(few_left, "connections")[0].mark == "wrong"


@pytest.mark.nightly
def test_an_embedded_database_is_checked_with_and_without_a_service_and_not_migrated(
    home: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    with ready_database(settings, WORLD) as dsn:
        execute(
            dsn,
            "DELETE FROM schema_migrations WHERE name = '0019_background_runs.sql'; DROP TABLE background_runs",
        )
    code, answer, _ = run_without(tmp_path, PREMADE_DATA_DIR=str(home / "data"))
    lines = by_check(answer)
    assert (code, lines["schema"]["mark"], lines["database"]["mark"]) == (1, "wrong", "ok")
    code, again, _ = run_without(tmp_path, PREMADE_DATA_DIR=str(home / "data"))
    assert by_check(again)["schema"] == lines["schema"]

    environment = environment_for(None, home / "data")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        wait_until(
            lambda: (
                not [
                    line
                    for line in run_without(tmp_path, PREMADE_DATA_DIR=str(home / "data"))[1]["checks"]
                    if line["mark"] == "wrong"
                ]
            ),
            f"something is wrong with {service.url}",
        )
        assert by_check(run_without(tmp_path, PREMADE_DATA_DIR=str(home / "data"))[1])["role"]["mark"] == "ok"
