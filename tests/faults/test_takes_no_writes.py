"""A database that answers and takes no writes: a hot standby, and a disk that is full. Ready again by itself."""

import shutil
from contextlib import suppress
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest
from support.cluster import Cluster, cluster, needs_standalone
from support.disks import small_disk
from support.plain_http import NO_TLS
from support.processes import wait_until
from support.service import Service, environment_for, running_service
from support.shop import Shop

from premade.bootstrap import bring_up_to_date
from premade.runtime.clock import Runtime

DISK_MB = 320
PIECE = bytes(1024 * 1024)


def readiness(service: Service) -> httpx.Response:
    return httpx.get(f"{service.url}/readyz", timeout=20, trust_env=False, verify=NO_TLS)


def wait_until_ready(service: Service) -> None:
    wait_until(lambda: readiness(service).status_code == 200, "it does not become ready")


def wait_until_not_ready(service: Service) -> str:
    wait_until(lambda: readiness(service).status_code == 503, "it stays ready")
    return readiness(service).json()["code"]


def fill(folder: Path) -> Path:
    """Fill the disk to the last byte; answers the file that does."""
    rest = folder / "filler"
    with rest.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(PIECE):
            pass
    return rest


def begun(database: Cluster) -> None:
    database.initialise()
    database.start()
    bring_up_to_date(database.dsn, Runtime(ZoneInfo("UTC")))


@pytest.mark.nightly
@needs_standalone
def test_a_hot_standby_is_not_ready_until_it_is_promoted(tmp_path: Path) -> None:
    with cluster() as primary, cluster() as standby:
        begun(primary)
        standby.follow(primary)
        standby.start()
        with running_service(environment_for(standby.dsn), tmp_path / "log", workers=1) as service:
            wait_until_not_ready(service)
            assert httpx.get(f"{service.url}/healthz", trust_env=False, verify=NO_TLS).status_code == 200
            primary.stop()
            standby.promote()
            wait_until_ready(service)
            seller = Shop(standby.dsn, service.url).seller()
            # The promotion is recorded first: nothing of before is given out twice.
            wait_until(lambda: seller.generate().status_code == 201, "it generates nothing")
            assert seller.activate(seller.tickets()[0]).status_code == 200


@pytest.mark.nightly
@needs_standalone
def test_a_full_disk_is_not_ready_until_there_is_room(tmp_path: Path) -> None:
    with cluster() as database, small_disk(database.folder, f"size={DISK_MB}m"):
        begun(database)
        with running_service(environment_for(database.dsn), tmp_path / "log", workers=1) as service:
            wait_until_ready(service)
            seller = Shop(database.dsn, service.url).seller()
            filler = fill(database.folder)
            wait_until_not_ready(service)
            refused = seller.generate(100)
            assert refused.status_code in (201, 503), refused.text
            filler.unlink()
            wait_until_ready(service)
            assert seller.activate(seller.tickets()[0]).status_code == 200
            changes = [line["event"] for line in service.log_lines() if "not_ready" in str(line["event"])]
            assert changes == ["service.not_ready", "service.not_ready_over"]
        database.stop()
        # What is mounted cannot be removed with its folder.
        shutil.rmtree(database.data)
