"""A new major version of the embedded PostgreSQL: premade refuses the old data, and a backup carries them over."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.cluster import cluster, needs_standalone
from support.lives import assert_nothing_repeats, till
from support.service import environment_for
from support.terminal import command

from premade.bootstrap import bring_up_to_date
from premade.postgres.embedded import embedded_postgres
from premade.runtime.clock import Runtime


@needs_standalone
@pytest.mark.nightly
def test_data_of_another_major_version_are_refused_and_move_by_a_backup(home: Path) -> None:
    environment = environment_for(None, home)
    with cluster() as old:
        old.initialise()
        old.start()
        bring_up_to_date(old.dsn, Runtime(ZoneInfo("UTC")))
        life = till(old.dsn).live()
        assert command(environment_for(old.dsn), "backup", str(home / "moved.dump")).returncode == 0
        old.stop()
        (home / "postgres").mkdir()
        old.data.rename(home / "postgres" / "cluster")
        for refused in ("migrate", "serve", "expire"):
            done = command(environment, refused)
            assert done.returncode == 1
            assert b"made by PostgreSQL 15, but this version of premade has PostgreSQL" in done.stderr
        (home / "postgres" / "cluster").rename(old.data)

    restored = command(environment, "restore", str(home / "moved.dump"))
    assert restored.returncode == 0, restored.stderr
    with embedded_postgres(home / "postgres") as new:
        assert_nothing_repeats(life, till(new).live(burst=0))
