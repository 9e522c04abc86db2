"""Try point-in-time recovery as docs/backup.md describes it: pgBackRest, and the files of ops/pgbackrest.

It sells, makes a full backup, sells, notes the time, and sells again. Then it restores to that time. The running service must
detect this before it issues a code. Nothing that was issued may be issued again, and devices and partners must find
everything that is left.
"""

import os
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from support.cluster import Cluster, cluster, run_as_server
from support.drill import Followers, assert_come_back, assert_goes_on, live
from support.followers import ByHttp
from support.gate import gate_client
from support.lives import Life, restorations
from support.processes import wait_until
from support.service import environment_for, running_service
from support.shop import Seller, Shop
from support.terminal import command

OPS = Path(__file__).parents[2] / "ops" / "pgbackrest"
STANZA = "--stanza=premade"


def say(text: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def configure(server: Cluster) -> None:
    """Use the shipped files, with the paths of this server."""
    (server.folder / "pgbackrest.conf").write_text((OPS / "pgbackrest.conf").read_text())
    (server.folder / "pgbackrest.conf").chmod(0o644)
    paths = {"REPO1_PATH": "repository", "LOCK_PATH": "locks", "SPOOL_PATH": "spool"}
    os.environ |= {f"PGBACKREST_{name}": str(server.folder / folder) for name, folder in paths.items()}
    os.environ |= {
        "PGBACKREST_CONFIG": str(server.folder / "pgbackrest.conf"),
        "PGBACKREST_PG1_PATH": str(server.data),
        "PGBACKREST_PG1_SOCKET_PATH": str(server.folder),
        "PGBACKREST_PG1_USER": "premade",
        "PGBACKREST_LOG_LEVEL_FILE": "off",
    }
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write((OPS / "archive.conf").read_text())


def pgbackrest(*arguments: str) -> None:
    say(f"pgbackrest {STANZA} {' '.join(arguments)}")
    run_as_server(["pgbackrest", STANZA, *arguments])


def sell(seller: Seller) -> Life:
    life = live(seller)
    say(f"sold {', '.join(life.sold)}")
    return life


def refusals_until_sold(seller: Seller) -> list[str]:
    """What the service answers until it generates again."""
    refusals: list[str] = []
    deadline = time.monotonic() + 60
    while (answer := seller.generate(1)).status_code != 201:
        assert answer.status_code == 503, answer.text
        refusals.append(answer.json()["code"])
        assert time.monotonic() < deadline, refusals
        time.sleep(0.1)
    return refusals


def restore_to(server: Cluster, moment: str) -> None:
    """The commands of docs/backup.md."""
    server.stop()
    pgbackrest("restore", "--type=time", f"--target={moment}", "--target-action=promote")
    server.start()
    wait_until(lambda: not is_in_recovery(server), "the recovery does not end")


def is_in_recovery(server: Cluster) -> bool:
    with psycopg.connect(server.dsn) as connection:
        row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
    return row == (True,)


def main() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(cluster())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server.initialise()
        configure(server)
        server.start()
        pgbackrest("stanza-create")
        pgbackrest("check")
        environment = environment_for(server.dsn)
        assert command(environment, "migrate").returncode == 0
        service = stack.enter_context(running_service(environment, folder / "log"))
        shop = Shop(server.dsn, service.url)
        seller = shop.seller()
        source, followers = ByHttp(gate_client(shop, None), seller.http), Followers()

        before = sell(seller)
        pgbackrest("backup", "--type=full")
        # pgBackRest compares the target with the end of the backup in whole seconds.
        ended = time.time()
        wait_until(lambda: time.time() > ended + 1, "the clock stands still")
        kept = sell(seller)
        followers.early.sync(source)
        moment = str(shop.sql("SELECT clock_timestamp()::text AS moment")[0]["moment"])
        lost = sell(seller)
        followers.read_lost(source)
        started = time.monotonic()
        restore_to(server, moment)
        refusals = refusals_until_sold(seller)
        say(
            f"restored to {moment}; {time.monotonic() - started:.1f} s without sales, {sorted(set(refusals))}"
        )

        assert set(refusals) <= {"DATABASE_AWAY", "DATABASE_RESTORED", "BUSY"}, refusals
        [event] = restorations(server.dsn)
        assert "another timeline" in event["data"]["noticed_by"], event
        assert_come_back(followers, source, shop, lost)
        assert followers.late.codes == {*before.sold, *kept.sold}
        after = sell(seller)
        assert_goes_on(followers, source, shop, after, lost)
        assert seller.http.get(f"/api/ota/tickets/{lost.sold[0]}").status_code == 404
        assert seller.http.get(f"/api/ota/tickets/{kept.sold[0]}").status_code == 200
        pgbackrest("check")
        pgbackrest("info")
    say("Nothing was issued twice, and the devices and the partner know everything that is left.")


if __name__ == "__main__":
    main()
