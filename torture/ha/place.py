"""The services on the cluster, HAProxy in front of them, and partners with keys and stock."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from support.balancer import is_ready
from support.programs import running_program
from support.service import environment_for, running_service
from support.shop import PARTNER_PERMISSIONS, Shop

from torture.clients import Account
from torture.ha import ROOT
from torture.ha.cluster import POSTGRES_BIND, Cluster
from torture.ha.machine import FILES
from torture.knowledge import Knowledge

URL = "http://127.0.0.1:8080"
SERVICES = 2
PARTNERS = 2
STOCK = 1_000_000
FUNCTIONS = {"ferry": 2, "gift": 1}


@dataclass(frozen=True)
class Place:
    """What clients and checker need."""

    url: str
    accounts: list[Account]


@contextmanager
def place_on(cluster: Cluster) -> Generator[Place]:
    """Start two services with HAProxy in front, and add two partners."""
    # A folder of their own for temporary files: other services on this machine remove those of processes that they cannot see.
    environment = environment_for(cluster.dsn, TMPDIR=str(cluster.folder))
    subprocess.run(
        [sys.executable, "-m", "premade", "migrate"], check=True, env=environment, stdout=sys.stderr
    )
    logs = [cluster.folder / f"service{number}.log" for number in range(1, SERVICES + 1)]
    with ExitStack() as stack:
        urls = [stack.enter_context(running_service(environment, log, workers=1)).url for log in logs]
        stack.enter_context(_haproxy(cluster, urls))
        shop = Shop(cluster.dsn, URL)
        yield Place(URL, list(_accounts(shop)))


def _accounts(shop: Shop) -> Iterator[Account]:
    permissions = [*PARTNER_PERMISSIONS, "gate:redeem"]
    for _ in range(PARTNERS):
        seller = shop.seller(stock=STOCK, permissions=permissions, functions=FUNCTIONS)
        yield Account(seller.key, Knowledge(seller.partner_id, seller.product_id, FUNCTIONS))


@contextmanager
def _haproxy(cluster: Cluster, urls: list[str]) -> Generator[None]:
    """Run HAProxy with the file of ops/ha until the end of the block."""
    environment = {
        "PATH": os.environ["PATH"],
        "PREMADE_HTTP_BIND": URL.removeprefix("http://"),
        "PREMADE_POSTGRES_BIND": POSTGRES_BIND,
        "PREMADE_HA_FILES": str(FILES),
        **{f"PREMADE_SERVICE_{number}": url.removeprefix("http://") for number, url in enumerate(urls, 1)},
        **{f"PREMADE_NODE_{node.number}": node.address for node in cluster.nodes},
    }
    command = ["haproxy", "-db", "-f", ROOT / "ops" / "ha" / "haproxy.cfg"]
    log = cluster.folder / "haproxy.log"
    with running_program(command, log, lambda: is_ready(URL), environment=environment):
        yield
