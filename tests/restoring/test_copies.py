"""A code, an order id and a reservation id are given out once: files that are copied and put back."""

import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from psycopg.conninfo import make_conninfo
from support.cluster import cluster, needs_standalone
from support.lives import WORLD, Till, assert_nothing_repeats, confirm, restorations, seen, till
from support.terminal import Operator

from premade.bootstrap import bring_up_to_date, ready_database
from premade.runtime.settings import Settings


def by_copy(source: Path, target: Path) -> None:
    shutil.rmtree(target)
    subprocess.run(["/bin/cp", "-a", source, target], check=True)


def only_what_changed(source: Path, target: Path) -> None:
    """As incremental restores do: a file of the same size and time is not written."""
    for path in target.rglob("*"):
        if path.is_file() and not (source / path.relative_to(target)).exists():
            path.unlink()
    for path in source.rglob("*"):
        there = target / path.relative_to(source)
        if not path.is_file() or path.is_symlink():
            continue
        old, new = path.stat(), there.stat() if there.exists() else None
        if new is None or (old.st_size, old.st_mtime_ns) != (new.st_size, new.st_mtime_ns):
            part = there.with_name(".part")
            subprocess.run(["/bin/cp", "-a", path, part], check=True)
            part.replace(there)


def over_what_is_there(source: Path, target: Path) -> None:
    subprocess.run(["/bin/cp", "-a", f"{source}/.", target], check=True)


@pytest.mark.parametrize("put_back", [by_copy, only_what_changed, over_what_is_there])
@pytest.mark.nightly
def test_files_that_were_copied_are_put_back(home: Path, put_back: Callable[[Path, Path], None]) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    kept = home / "kept"
    with ready_database(settings, WORLD) as dsn:
        seller = till(dsn).seller
    subprocess.run(["/bin/cp", "-a", home / "data", kept], check=True)
    with ready_database(settings, WORLD) as dsn:
        assert restorations(dsn) == []
        lost = Till(dsn, seller).live()
    put_back(kept, home / "data")

    with ready_database(settings, WORLD) as dsn:
        after = Till(dsn, seller).live(burst=0)

        assert_nothing_repeats(lost, after)
        assert Till(dsn, seller).kind_of_snapshot(lost.cursor) == "full"
        assert [event["data"]["noticed_by"] for event in restorations(dsn)] == ["files were copied"]


@pytest.mark.nightly
def test_an_ordinary_restart_begins_nothing_anew(home: Path) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    with ready_database(settings, WORLD) as dsn:
        shop = till(dsn)
        before = shop.live()
    with ready_database(settings, WORLD) as dsn, ready_database(settings, WORLD):
        after = Till(dsn, shop.seller).live()

        assert restorations(dsn) == []
        assert after.key_ids == before.key_ids
        assert Till(dsn, shop.seller).kind_of_snapshot(before.cursor) == "changes"


@pytest.mark.nightly
def test_a_container_that_sets_owner_and_mode_at_each_start(home: Path) -> None:
    settings = Settings(data_dir=home / "data", database_url=None)
    with ready_database(settings, WORLD) as dsn:
        shop = till(dsn)
        before = shop.live()
    for path in [home / "data", *(home / "data").rglob("*")]:
        status = path.stat()
        os.chown(path, status.st_uid, status.st_gid)
        path.chmod(stat.S_IMODE(status.st_mode))
    (home / "data").rename(home / "moved")

    with ready_database(Settings(data_dir=home / "moved", database_url=None), WORLD) as dsn:
        after = Till(dsn, shop.seller).live()

        assert restorations(dsn) == []
        assert after.key_ids == before.key_ids


@pytest.mark.nightly
@needs_standalone
def test_copied_files_that_the_service_s_role_cannot_see(tmp_path: Path) -> None:
    """What is left then: the memory of a running service, the newest event in a cursor, and the operator's word."""
    with cluster() as server:
        server.initialise()
        server.start()
        server.execute("CREATE ROLE app LOGIN")
        server.execute("CREATE DATABASE premade OWNER app")
        dsn = make_conninfo(server.dsn, user="app", dbname="premade")
        bring_up_to_date(dsn, WORLD)
        shop = till(dsn)
        server.stop()
        kept = server.folder / "kept"
        subprocess.run(["/bin/cp", "-a", server.data, kept], check=True)
        server.start()
        lost = shop.live()
        # What is written after the copy is put back must not reach as far.
        server.execute("SELECT pg_switch_wal()")
        remembered = seen(dsn)
        server.stop()
        by_copy(kept, server.data)
        server.start()

        confirm(dsn)
        assert restorations(dsn) == []
        # A sale, so that the record has another event of the id that the cursor names.
        between = shop.live(burst=0)
        assert shop.kind_of_snapshot(lost.cursor) == "full"
        assert shop.kind_of_snapshot(between.cursor) == "changes"

        assert seen(dsn, remembered) != remembered
        assert [event["data"]["noticed_by"] for event in restorations(dsn)] == [
            "the write-ahead log went back"
        ]
        done = Operator(dsn).does("restored", "--clock-lead", "7200")

        after = shop.live(burst=0)
        assert_nothing_repeats(lost, after)
        assert done["clock_lead_seconds"] == 7200
        assert after.key_ids <= set(done["signing_keys"])
        told = restorations(dsn)[-1]
        assert told["data"]["noticed_by"] == "the operator said so"
        # An hour and a minute for each of the two, and what the operator said.
        ahead = "SELECT (pg_sequence_last_value('ticket_code_ms') / 1000 - extract(epoch FROM now()))::bigint AS s"
        assert 3600 + 7200 <= shop.sql(ahead)[0]["s"] <= 3600 + 7200 + 200
