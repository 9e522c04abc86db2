"""`premade backup` and `premade restore`: what they refuse, what they verify, and what a failure leaves behind."""

import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from support.cluster import cluster, needs_standalone
from support.lives import dump
from support.postgres import empty_database, own_database
from support.processes import wait_until
from support.service import environment_for
from support.shop import Shop, unique
from support.terminal import Operator

from premade.postgres.backup.archive import count_rows
from premade.postgres.backup.errors import ProgramUnusable
from premade.postgres.backup.programs import (
    newest_programs,
    programs_for_dump,
    programs_for_restore,
    without_password,
)


@dataclass
class Place:
    """A database with a partner, and a backup of it."""

    dsn: str
    operator: Operator
    shop: Shop
    made: dict[str, Any]

    @property
    def file(self) -> Path:
        return Path(self.made["file"])

    @property
    def manifest(self) -> Path:
        return Path(self.made["manifest"])

    def databases(self) -> set[str]:
        """The databases of the server whose names begin like this one's."""
        name = conninfo_to_dict(self.dsn)["dbname"]
        # Not from the database itself: a restore refuses while anybody is connected to it.
        with psycopg.connect(make_conninfo(self.dsn, dbname="postgres")) as connection:
            rows = connection.execute(
                "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [name]
            )
            return {datname for (datname,) in rows.fetchall()}


@pytest.fixture(scope="module")
def place(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with own_database(dsn) as own:
        shop, operator = Shop(own, "http://nowhere"), Operator(own)
        shop.seller()
        yield Place(own, operator, shop, operator.does("backup", str(tmp_path_factory.mktemp("backups"))))


def drop_kept(place: Place, restored: dict[str, Any]) -> None:
    name = restored["previous_database"]
    assert [row["database"] for row in place.operator.does("previous-database", "list")] == [name]
    assert place.operator.does("previous-database", "drop", name)["database"] == name
    assert place.operator.does("previous-database", "list") == []
    assert "is not a database that a restore has replaced" in place.operator.is_refused(
        "previous-database", "drop", str(conninfo_to_dict(place.dsn)["dbname"])
    )


def test_only_its_owner_can_read_a_backup_and_no_file_is_replaced(place: Place) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in (place.file, place.manifest)} == {0o600}
    assert [path.name for path in place.file.parent.glob(".*")] == []
    manifest = json.loads(place.manifest.read_text())
    assert manifest["tables"]["public.partners"]["rows"] == 1
    assert manifest["dump_bytes"] == place.file.stat().st_size

    refusal = place.operator.is_refused("backup", str(place.file))
    assert (
        refusal
        == f"premade: file: {place.file} exists, and a backup replaces no file. Give another name, or a folder\n"
    )


def test_a_restore_changes_nothing_unless_the_file_is_whole_and_the_database_free(
    place: Place, tmp_path: Path
) -> None:
    before, databases = contents(place.shop), place.databases()
    damaged = copy_of(place, tmp_path / "damaged.dump")
    with damaged.open("r+b") as file:
        file.seek(damaged.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    alone = tmp_path / "alone.dump"
    alone.write_bytes(place.file.read_bytes())
    other_digest = copy_of(place, tmp_path / "other.dump", digest="1")
    newer = copy_of(place, tmp_path / "newer.dump", migration="9999_newer.sql")
    (tmp_path / "text").write_text("no dump")

    def refusal(file: Path, *more: str) -> str:
        return place.operator.is_refused("restore", str(file), *more)

    assert "has data. Nothing was changed. To keep it" in refusal(place.file)
    assert "damaged, incomplete" in refusal(damaged, "--replace")
    assert "add --without-manifest" in refusal(alone, "--replace")
    assert "does not know 9999_newer.sql" in refusal(newer, "--replace")
    assert "not a dump in the custom format" in refusal(tmp_path / "text", "--replace")
    assert "differ from the manifest in 1 tables: public.partners" in refusal(other_digest, "--replace")
    with psycopg.connect(place.dsn, application_name="somebody"):
        assert "(1): somebody (user" in refusal(place.file, "--replace")
    assert contents(place.shop) == before
    assert place.databases() == databases


def contents(shop: Shop) -> list[dict[str, Any]]:
    return shop.sql("SELECT incarnation_id, (SELECT count(*) FROM partners) FROM database_incarnation")


def copy_of(place: Place, file: Path, *, digest: str | None = None, migration: str | None = None) -> Path:
    """A copy of the backup, with another manifest."""
    file.write_bytes(place.file.read_bytes())
    manifest = json.loads(place.manifest.read_text())
    if digest is not None:
        manifest["tables"]["public.partners"]["digest"] = digest
    if migration is not None:
        manifest["migrations"].append(migration)
    file.with_name(f"{file.name}.manifest.json").write_text(json.dumps(manifest))
    return file


@pytest.mark.nightly
def test_an_empty_database_is_filled_in_one_transaction(place: Place) -> None:
    with empty_database(place.dsn) as empty:
        with psycopg.connect(empty, application_name="somebody"):
            assert "(1): somebody (user" in Operator(empty).is_refused("restore", str(place.file))

        restored = Operator(empty).does("restore", str(place.file))

        assert (restored["verified"], restored["previous_database"]) == (True, None)
        assert restored["rows"] == place.made["rows"]
        assert restored["signing_keys"]
        assert Shop(empty, "http://nowhere").sql("SELECT name FROM partners") == place.shop.sql(
            "SELECT name FROM partners"
        )


@pytest.mark.nightly
@needs_standalone
def test_a_backup_moves_to_another_version_of_postgresql_and_back(place: Place, tmp_path: Path) -> None:
    """A newer pg_restore sets something that an older server does not know."""
    with cluster() as server:
        server.initialise()
        server.start()
        older = Operator(server.dsn)

        assert older.does("restore", str(place.file))["verified"]

        back = older.does("backup", str(tmp_path))
        with empty_database(place.dsn) as empty:
            assert Operator(empty).does("restore", back["file"])["verified"]
        dump(server.dsn, tmp_path / "damaged.dump", "--format=custom", "--exclude-table=partners")
        server.execute("CREATE DATABASE other")
        other = make_conninfo(server.dsn, dbname="other")
        assert 'relation "public.partners" does not exist' in Operator(other).is_refused(
            "restore", str(tmp_path / "damaged.dump"), "--without-manifest"
        )


@pytest.mark.nightly
@needs_standalone
def test_a_replaced_database_keeps_its_locale_provider_on_a_server_with_another_one(place: Place) -> None:
    with cluster() as server:
        server.initialise("--locale-provider=icu", "--icu-locale=en")
        server.start()
        server.execute("CREATE DATABASE own TEMPLATE template0 LOCALE_PROVIDER libc")
        own = make_conninfo(server.dsn, dbname="own")
        Operator(own).does("restore", str(place.file))

        Operator(own).does("restore", str(place.file), "--replace")

        provider = "SELECT datlocprovider FROM pg_database WHERE datname = 'own'"
        assert Shop(own, "http://nowhere").sql(provider) == [{"datlocprovider": "c"}]


@pytest.mark.nightly
def test_what_fails_in_an_empty_database_leaves_it_empty(place: Place, tmp_path: Path) -> None:
    """Here a role that the dump gives rights to is missing, as on another server."""
    role = unique("reader").replace("-", "_")
    with own_database(place.dsn) as own, empty_database(place.dsn) as empty:
        shop = Shop(own, "http://nowhere")
        shop.sql(f"CREATE ROLE {role}")
        shop.sql(f"GRANT SELECT ON partners TO {role}")
        made = Operator(own).does("backup", str(tmp_path))
        shop.sql(f"DROP OWNED BY {role}")
        shop.sql(f"DROP ROLE {role}")

        assert f'role "{role}" does not exist' in Operator(empty).is_refused("restore", made["file"])

        tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert Shop(empty, "http://nowhere").sql(tables) == [{"count": 0}]
        assert Operator(empty).does("restore", made["file"], "--no-privileges")["verified"]


@pytest.mark.nightly
def test_a_replaced_database_keeps_its_properties_and_the_old_one_its_rows(place: Place) -> None:
    name = conninfo_to_dict(place.dsn)["dbname"]
    role = unique("reader").replace("-", "_")
    properties = """
        SELECT pg_encoding_to_char(encoding) AS encoding, datcollate, datctype, to_jsonb(d) ->> 'datlocprovider' AS provider,
               coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale, datconnlimit,
               array(SELECT a::text FROM unnest(datacl) AS a ORDER BY 1) AS privileges, datdba,
               array(SELECT (setrole, setconfig)::text FROM pg_db_role_setting WHERE setdatabase = d.oid ORDER BY 1) AS settings,
               shobj_description(oid, 'pg_database') AS comment
        FROM pg_database d WHERE datname = current_database()
    """
    place.shop.sql(f"CREATE ROLE {role}")
    try:
        place.shop.sql(f"ALTER DATABASE {name} SET search_path TO \"$user\", public, 'a b'")
        place.shop.sql(f"ALTER ROLE {role} IN DATABASE {name} SET work_mem = '8MB'")
        place.shop.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 77")
        place.shop.sql(f"REVOKE ALL ON DATABASE {name} FROM PUBLIC")
        place.shop.sql(f"GRANT CONNECT ON DATABASE {name} TO {role} WITH GRANT OPTION")
        place.shop.sql(f"COMMENT ON DATABASE {name} IS 'tickets'")
        [before] = place.shop.sql(properties)
        place.shop.sql("UPDATE partners SET name = 'Renamed since'")

        restored = place.operator.does("restore", str(place.file), "--replace")

        [after] = place.shop.sql(properties)
        assert after == before
        assert place.shop.sql("SELECT name FROM partners") != [{"name": "Renamed since"}]
        old = Shop(make_conninfo(place.dsn, dbname=restored["previous_database"]), "http://nowhere")
        assert old.sql("SELECT name FROM partners") == [{"name": "Renamed since"}]
        drop_kept(place, restored)
    finally:
        place.shop.sql(f"DROP OWNED BY {role}")
        place.shop.sql(f"ALTER DATABASE {name} RESET ALL")
        place.shop.sql(f"ALTER ROLE {role} IN DATABASE {name} RESET ALL")
        place.shop.sql(f"REVOKE ALL ON DATABASE {name} FROM {role}")
        place.shop.sql(f"DROP ROLE {role}")


@pytest.mark.nightly
def test_a_role_that_may_not_create_databases_replaces_none(place: Place) -> None:
    role = unique("owner").replace("-", "_")
    with own_database(place.dsn) as own:
        shop, name = Shop(own, "http://nowhere"), conninfo_to_dict(own)["dbname"]
        shop.sql(f"CREATE ROLE {role} LOGIN")
        shop.sql(f"ALTER DATABASE {name} OWNER TO {role}")
        shop.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
        try:
            owner = Operator(make_conninfo(own, user=role))

            assert "run ALTER ROLE … CREATEDB" in owner.is_refused("restore", str(place.file), "--replace")

            shop.sql(f"ALTER ROLE {role} CREATEDB")
            restored = owner.does("restore", str(place.file), "--replace")
            assert restored["verified"]
            owner.does("previous-database", "drop", restored["previous_database"])
        finally:
            shop.sql(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            shop.sql(f"DROP OWNED BY {role}")
            shop.sql(f"DROP ROLE {role}")


def is_created(server: psycopg.Connection[Any], database: str) -> bool:
    return bool(server.execute("SELECT FROM pg_database WHERE datname = %s", [database]).rowcount)


def is_loading(server: psycopg.Connection[Any], database: str) -> bool:
    sessions = "SELECT FROM pg_stat_activity WHERE datname = %s AND application_name = 'pg_restore'"
    return bool(server.execute(sessions, [database]).rowcount)


@pytest.mark.nightly
@pytest.mark.parametrize("has_come_far", [is_created, is_loading])
def test_a_restore_that_is_interrupted_leaves_nothing(
    place: Place, has_come_far: Callable[[psycopg.Connection[Any], str], bool]
) -> None:
    name = f"{conninfo_to_dict(place.dsn)['dbname']}_restoring"
    databases, before = place.databases(), contents(place.shop)
    process = subprocess.Popen(
        [sys.executable, "-m", "premade", "restore", str(place.file), "--replace"],
        env=environment_for(place.dsn),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    with connected(place) as server:
        wait_until(lambda: has_come_far(server, name), "it does not come so far")
    os.killpg(process.pid, signal.SIGINT)

    assert process.wait(60) != 0
    assert place.databases() == databases
    assert contents(place.shop) == before


@pytest.mark.nightly
def test_a_dump_by_pg_dump_is_restored_without_a_manifest(place: Place, tmp_path: Path) -> None:
    dump(place.dsn, tmp_path / "by-hand.dump", "--format=custom")
    with empty_database(place.dsn) as empty:
        restored = Operator(empty).does("restore", str(tmp_path / "by-hand.dump"), "--without-manifest")

        assert (restored["verified"], restored["taken_at"]) == (False, None)
        assert restored["rows"] == sum_of_rows(place)


def sum_of_rows(place: Place) -> int:
    names = [
        row["name"]
        for row in place.shop.sql("SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'")
    ]
    return sum(place.shop.sql(f"SELECT count(*) AS n FROM ONLY {name}")[0]["n"] for name in names)


@pytest.mark.nightly
def test_a_restore_that_was_killed_is_cleaned_up_by_the_next_one(place: Place) -> None:
    name = f"{conninfo_to_dict(place.dsn)['dbname']}_restoring"
    with connected(place) as server:
        server.execute(f"CREATE DATABASE {name}".encode())
        assert f"A database {name} exists" in place.operator.is_refused(
            "restore", str(place.file), "--replace"
        )
        server.execute(f"COMMENT ON DATABASE {name} IS 'restore by premade, not finished'".encode())
        lock = "SELECT pg_advisory_lock(hashtextextended('premade restore ' || %s, 0))"
        server.execute(lock, [conninfo_to_dict(place.dsn)["dbname"]])
        assert "Another restore replaces" in place.operator.is_refused(
            "restore", str(place.file), "--replace"
        )
        assert name in place.databases()

    drop_kept(place, place.operator.does("restore", str(place.file), "--replace"))

    assert name not in place.databases()


@pytest.mark.nightly
def test_a_restore_outlasts_the_time_limits_of_idle_sessions(place: Place) -> None:
    """The session that renames the databases at the end is idle while the dump is loaded."""
    name = conninfo_to_dict(place.dsn)["dbname"]
    place.shop.sql(f"ALTER DATABASE {name} SET idle_session_timeout = '1h'")
    try:
        operator = Operator(make_conninfo(place.dsn, options="-c idle_session_timeout=500"))

        restored = operator.does("restore", str(place.file), "--replace")

        drop_kept(place, restored)
    finally:
        place.shop.sql(f"ALTER DATABASE {name} RESET ALL")


@pytest.mark.nightly
def test_a_restore_says_why_it_failed_even_if_it_cannot_clean_up(place: Place, tmp_path: Path) -> None:
    name = f"{conninfo_to_dict(place.dsn)['dbname']}_restoring"
    other_digest = copy_of(place, tmp_path / "other.dump", digest="1")
    with connected(place) as server, ThreadPoolExecutor(1) as background:
        refusal = background.submit(place.operator.is_refused, "restore", str(other_digest), "--replace")
        wait_until(lambda: is_loading(server, name), "nothing is loaded")
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = 'postgres' AND application_name = 'premade backup'"
        )

        assert "differ from the manifest in 1 tables: public.partners" in refusal.result()
    assert name in place.databases()

    drop_kept(place, place.operator.does("restore", str(place.file), "--replace"))

    assert name not in place.databases()


@contextmanager
def connected(place: Place) -> Generator[psycopg.Connection[Any]]:
    with psycopg.connect(make_conninfo(place.dsn, dbname="postgres"), autocommit=True) as connection:
        yield connection


def test_a_database_without_tables_of_premade_is_not_backed_up(dsn: str, tmp_path: Path) -> None:
    with empty_database(dsn) as empty:
        assert "nothing to back up" in Operator(empty).is_refused("backup", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
def test_a_disk_that_is_full_leaves_no_file(place: Place, tmp_path: Path) -> None:
    """The limit of the shell stands in for the disk: no file may grow beyond 8 KiB."""
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            'ulimit -f 16; exec "$@"',
            "sh",
            sys.executable,
            "-m",
            "premade",
            "backup",
            tmp_path,
        ],
        env=environment_for(place.dsn),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert re.fullmatch(r"premade: pg_dump failed \(status -?\d+\): .+\n", done.stderr), done.stderr
    assert list(tmp_path.iterdir()) == []


def test_programs_are_chosen_by_the_versions_of_server_and_dump() -> None:
    newest = newest_programs().version
    assert newest >= 18
    assert programs_for_dump(newest).version == newest
    with pytest.raises(ProgramUnusable, match="The server is PostgreSQL 99"):
        programs_for_dump(99)
    with pytest.raises(ProgramUnusable, match="postgresql-client-99"):
        programs_for_restore(18, 99)
    assert programs_for_restore(15, 18).needs_script(15)
    assert not programs_for_restore(18, 15).needs_script(18)


def test_a_dump_whose_end_is_missing_is_noticed(place: Place, tmp_path: Path) -> None:
    programs = newest_programs()
    whole = count_rows(programs, place.file, 1, lambda *_: None)
    assert sum(whole.values()) == place.made["rows"]
    half = tmp_path / "half.dump"
    half.write_bytes(place.file.read_bytes()[: place.file.stat().st_size // 2])

    with pytest.raises(ProgramUnusable, match="pg_restore failed"):
        count_rows(programs, half, 1, lambda *_: None)


def test_no_argument_of_a_program_has_the_password() -> None:
    address, password = without_password(
        "postgresql://premade:se%20cret@db.example:5433/tickets?sslmode=require"
    )

    assert password == "se cret"
    assert "cret" not in address
    assert conninfo_to_dict(address) == {
        "user": "premade", "host": "db.example", "port": "5433", "dbname": "tickets", "sslmode": "require",
    }  # fmt: skip
