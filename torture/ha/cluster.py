"""The three nodes together: start them, find the primary, wait until all is well again."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import httpx

from torture.ha.machine import PASSWORD, Node, make_network, mounted_files

NODES = 3
HEALTHY_SECONDS_MAX = 180
ANSWER_SECONDS_MAX = 3
POLL_SECONDS = 0.2
SWITCHOVER_SECONDS_MAX = 60
POSTGRES_BIND = "127.0.0.1:5432"
"""Address of HAProxy for PostgreSQL."""
ROLES = {
    "synchronous": ["leader", "replica", "sync_standby"],
    "quorum": ["leader", "quorum_standby", "quorum_standby"],
    "asynchronous": ["leader", "replica", "replica"],
}
"""The roles of all nodes when all is well, in alphabetical order, by mode of replication."""


class Unhealthy(Exception):
    """The cluster did not reach the state that was waited for."""


@dataclass(frozen=True)
class Member:
    """A node as Patroni reports it."""

    name: str
    role: str
    state: str
    timeline: int | None


@dataclass
class Cluster:
    """The running nodes."""

    folder: Path
    nodes: list[Node]
    http: httpx.Client
    roles: list[str] = field(default_factory=lambda: ROLES["synchronous"])
    """The roles of all nodes when all is well."""

    @property
    def dsn(self) -> str:
        """All nodes, as a service's DATABASE_URL names them."""
        hosts = ",".join(node.address for node in self.nodes)
        return f"postgresql://premade:{PASSWORD}@{hosts}/premade?target_session_attrs=read-write"

    @property
    def dsn_by_haproxy(self) -> str:
        """The primary, at the address of HAProxy for programs that cannot take several."""
        return f"postgresql://premade:{PASSWORD}@{POSTGRES_BIND}/premade"

    def dsn_of(self, node: Node) -> str:
        """Return the connection string of this node alone, whatever its role."""
        return f"postgresql://premade:{PASSWORD}@{node.address}/premade"

    def members(self) -> list[Member]:
        """Return the members that the first node knows which answers."""
        for node in self.nodes:
            if members := self.members_by(node):
                return members
        return []

    def members_by(self, node: Node) -> list[Member]:
        """Return the members that this node's Patroni knows, by name. Empty: it does not answer."""
        try:
            document = self.http.get(f"http://{node.address}:8008/cluster").json()
        except (httpx.HTTPError, ValueError):
            return []
        return sorted(
            (
                Member(each["name"], each["role"], each["state"], each.get("timeline"))
                for each in document["members"]
            ),
            key=attrgetter("name"),
        )

    def primary(self) -> Node:
        """Return the node whose PostgreSQL is the primary.

        Raises:
            Unhealthy: no node is.
        """
        for node in self.nodes:
            try:
                if self.http.get(f"http://{node.address}:8008/primary").is_success:
                    return node
            except httpx.HTTPError:
                continue
        message = "No node is the primary"
        raise Unhealthy(message)

    def standbys(self) -> list[Node]:
        """Return the other nodes."""
        primary = self.primary()
        return [node for node in self.nodes if node is not primary]

    def synchronous_standby(self) -> Node:
        """Return the node that confirms commits.

        Raises:
            Unhealthy: there is none.
        """
        names = [member.name for member in self.members() if member.role == "sync_standby"]
        for node in self.nodes:
            if node.name in names:
                return node
        message = "No node is a synchronous standby"
        raise Unhealthy(message)

    def replicate(self, mode: str) -> None:
        """Set the mode of replication, one of ROLES, to see what another one than that of patroni.yml loses."""
        value = {"synchronous": True, "quorum": "quorum", "asynchronous": False}[mode]
        primary = self.primary()
        self.http.patch(
            f"http://{primary.address}:8008/config", json={"synchronous_mode": value}
        ).raise_for_status()
        self.roles = ROLES[mode]
        self.wait_until_healthy()

    def is_healthy(self) -> bool:
        """Return whether one node is the primary and the others follow it on its timeline, one of them synchronously.

        All nodes must say so: one that was frozen knows for a moment only what was true before.
        """
        members, *others = (self.members_by(node) for node in self.nodes)
        roles = sorted(member.role for member in members)
        states = sorted(member.state for member in members)
        return (
            all(other == members for other in others)
            and roles == self.roles
            and states == ["running", *["streaming"] * (NODES - 1)]
            and len({member.timeline for member in members}) == 1
        )

    def wait_until_healthy(self) -> None:
        """Wait for `is_healthy`.

        Raises:
            Unhealthy: it took longer than HEALTHY_SECONDS_MAX.
        """
        deadline = time.monotonic() + HEALTHY_SECONDS_MAX
        while not self.is_healthy():
            if time.monotonic() > deadline:
                message = f"The cluster is not healthy: {self.members()}"
                raise Unhealthy(message)
            time.sleep(POLL_SECONDS)

    def recoveries(self) -> tuple[int, int]:
        """Return how often a node has run pg_rewind so far, and how often it was made a new copy of the primary."""
        logs = [(self.folder / f"{node.name}.patroni.log").read_text(errors="replace") for node in self.nodes]
        return (
            sum(log.count("pg_rewind exit code=0") for log in logs),
            sum(log.count("replica has been created using basebackup") for log in logs),
        )

    def switch_over(self) -> None:
        """Ask Patroni to make the synchronous standby the primary, as an operator does before maintenance.

        The request names no candidate: only the synchronous standby may win anyway. With a candidate, Patroni on the other
        standby waits 2 s before it follows the new primary, and until then no sale can be confirmed.
        """
        primary = self.primary()
        answer = self.http.post(
            f"http://{primary.address}:8008/switchover",
            json={"leader": primary.name},
            timeout=SWITCHOVER_SECONDS_MAX,
        )
        if not answer.is_success:
            raise Unhealthy(answer.text)


@contextmanager
def cluster(folder: Path) -> Generator[Cluster]:
    """Start three nodes, and wait until they are healthy. The caller has a network namespace of its own."""
    make_network()
    nodes = [Node(number, folder / f"db{number}") for number in range(1, NODES + 1)]
    with mounted_files(), httpx.Client(timeout=ANSWER_SECONDS_MAX, trust_env=False) as http:
        running = Cluster(folder, nodes, http)
        for node in nodes:
            node.install()
        try:
            for node in nodes:
                node.start(nodes)
            running.wait_until_healthy()
            yield running
        finally:
            for node in nodes:
                node.thaw()
                node.lose_power()
                node.disk.unmount()
