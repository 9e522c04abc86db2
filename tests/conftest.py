"""One PostgreSQL and one service for all tests of a process; each test makes a partner of its own."""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from support.operating import kept_open
from support.postgres import as_service_role, postgres
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop
from support.spread import spread

from premade.bootstrap import bring_up_to_date
from premade.runtime.clock import Runtime


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--postgres", choices=["embedded", "standalone"], default="embedded")
    parser.addoption("--quick", action="store_true", help="leave out what is marked as nightly")
    parser.addoption("--spread", action="store_true", help="on tables that are spread by partner")


SLOW_FOLDERS = (
    "commands", "large", "faults", "contract", "lifecycle", "concurrency", "browser", "embedded", "upgrades",
)  # fmt: skip
"""Folders with the files that take longest. They come first: a long file that begins last keeps one process busy alone."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the tests, and with --quick leave out those that are marked as nightly.

    Of a test that is nightly `but_first`, the first set of parameters is kept.
    """
    items.sort(key=lambda item: item.path.parent.name not in SLOW_FOLDERS)
    if not config.getoption("--quick"):
        return
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    seen: set[str] = set()
    for item in items:
        nightly = item.get_closest_marker("nightly")
        function = item.nodeid.partition("[")[0]
        is_kept = nightly is None or (bool(nightly.kwargs.get("but_first")) and function not in seen)
        seen.add(function)
        (kept if is_kept else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


@pytest.fixture(scope="session")
def postgres_kind(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--postgres"))


@contextmanager
def _folder() -> Generator[Path]:
    """Not in pytest's own: each other pytest that root starts closes that one to PostgreSQL's account."""
    with tempfile.TemporaryDirectory(prefix="premade-tests-") as folder:
        yield Path(folder)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder for an embedded database."""
    with _folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def dsn(postgres_kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """A database with the schema of this version, with --spread after `ops/citus/distribute.sql`."""
    with _folder() as folder, postgres(postgres_kind, folder) as server_dsn:
        bring_up_to_date(server_dsn, Runtime(ZoneInfo("UTC")))
        if request.config.getoption("--spread"):
            spread(server_dsn)
        with kept_open(server_dsn):
            yield server_dsn


@pytest.fixture(scope="session")
def service(
    dsn: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Service]:
    """`premade serve` with two workers on that database, with the role of a service."""
    log: Path = tmp_path_factory.mktemp("service") / "log"
    by_partner = "true" if request.config.getoption("--spread") else "false"
    environment = environment_for(as_service_role(dsn), PREMADE_STATEMENTS_BY_PARTNER=by_partner)
    with running_service(environment, log) as running:
        yield running


@pytest.fixture
def shop(dsn: str, service: Service) -> Shop:
    return Shop(dsn, service.url)


@pytest.fixture
def seller(shop: Shop) -> Seller:
    """A partner with 1,000 tickets of stock and every permission."""
    return shop.seller()
