"""What can break in a cluster. A new kind is one function: it breaks something, and returns how to repair it."""

import random
import signal
from collections.abc import Callable
from dataclasses import dataclass

from torture.ha.cluster import Cluster
from torture.ha.machine import send

Repair = Callable[[], None]
Break = Callable[[Cluster, random.Random], Repair]


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    name: str
    description: str
    concerns_primary: bool
    """Whether another node becomes the primary."""
    begin: Break


FAULTS: list[Fault] = []


def _fault(description: str, *, concerns_primary: bool = True) -> Callable[[Break], Break]:
    def register(begin: Break) -> Break:
        name = begin.__name__.replace("_", " ")
        FAULTS.append(Fault(name, description, concerns_primary, begin))
        return begin

    return register


def _nothing() -> None:
    """Repair nothing: it comes back by itself."""


@_fault("`kill -9` of all processes of the primary's PostgreSQL")
def kill_postgresql(cluster: Cluster, choice: random.Random) -> Repair:
    """Patroni stays, and finds it at its next look."""
    del choice
    send(signal.SIGKILL, cluster.primary().postgres())
    return _nothing


@_fault("`kill -9` of everything on the primary's machine, as when its power fails")
def lose_machine(cluster: Cluster, choice: random.Random) -> Repair:
    """Also of etcd and Patroni."""
    del choice
    node = cluster.primary()
    node.lose_power()
    return lambda: node.start(cluster.nodes)


@_fault("SIGSTOP of the primary's PostgreSQL, later SIGCONT")
def freeze_postgresql(cluster: Cluster, choice: random.Random) -> Repair:
    """Its connections stay open, and say nothing."""
    del choice
    node = cluster.primary()
    node.freeze(node.postgres())
    return node.thaw


@_fault("SIGSTOP of everything on the primary's machine, later SIGCONT: it wakes up as a primary")
def freeze_machine(cluster: Cluster, choice: random.Random) -> Repair:
    """As a virtual machine that its host stops for a while."""
    del choice
    node = cluster.primary()
    node.freeze(node.everything())
    return node.thaw


@_fault("the network cable of the primary's machine is pulled out, later put in")
def cut_network(cluster: Cluster, choice: random.Random) -> Repair:
    """Neither clients nor nodes reach it, and it reaches nobody."""
    del choice
    node = cluster.primary()
    node.plug(is_in=False)
    return lambda: node.plug(is_in=True)


@_fault("a switchover, as before maintenance")
def switch_over(cluster: Cluster, choice: random.Random) -> Repair:
    """To either standby."""
    cluster.switch_over(choice.choice(cluster.standbys()))
    return _nothing


@_fault("`kill -9` of everything on a standby's machine", concerns_primary=False)
def lose_standby(cluster: Cluster, choice: random.Random) -> Repair:
    """Sales continue with the other standby."""
    node = choice.choice(cluster.standbys())
    node.lose_power()
    return lambda: node.start(cluster.nodes)


@_fault("SIGSTOP of everything on a standby's machine, later SIGCONT", concerns_primary=False)
def freeze_standby(cluster: Cluster, choice: random.Random) -> Repair:
    """Its connection to the primary stays open, and confirms nothing."""
    node = choice.choice(cluster.standbys())
    node.freeze(node.everything())
    return node.thaw
