"""What can break in a cluster. A new kind is one function: it breaks something, and returns how to repair it."""

import signal
import time
from collections.abc import Callable

from psutil import Process

from torture.fault import Fault, Repair, nothing, repair_all
from torture.ha.cluster import Cluster
from torture.ha.machine import Node
from torture.processes import send

Break = Callable[[Cluster], Repair]
FAULTS: list[Fault[Cluster]] = []
BEHIND_SECONDS = 0.7
OPERATOR_SECONDS = 5.0
"""Time that an operator needs to see what happened."""
ELECTION_SECONDS = 32.0
"""Duration of most faults: longer than Patroni's `ttl` and an election."""
SHORT_SECONDS = 12.0
"""Duration of a fault after which no lease has to end."""


def _fault(description: str, seconds: float = ELECTION_SECONDS) -> Callable[[Break], Break]:
    def register(begin: Break) -> Break:
        name = begin.__name__.replace("_", " ")
        FAULTS.append(Fault(name, description, begin, seconds))
        return begin

    return register


def _lose_power(cluster: Cluster, node: Node) -> Repair:
    node.lose_power()
    return lambda: node.start(cluster.nodes)


def _freeze(node: Node, processes: list[Process]) -> Repair:
    node.freeze(processes)
    return node.thaw


def _cut(node: Node) -> Repair:
    node.plug(is_in=False)
    return lambda: node.plug(is_in=True)


@_fault("`kill -9` of all processes of the primary's PostgreSQL", SHORT_SECONDS)
def kill_postgresql(cluster: Cluster) -> Repair:
    """Patroni stays, and finds it at its next look."""
    send(signal.SIGKILL, cluster.primary().postgres())
    return nothing


@_fault("`kill -9` of everything on the primary's machine, as when its power fails")
def lose_machine(cluster: Cluster) -> Repair:
    """Also of etcd and Patroni."""
    return _lose_power(cluster, cluster.primary())


@_fault("`kill -9` of the primary's Patroni alone: its PostgreSQL goes on as a primary; later Patroni starts")
def kill_patroni(cluster: Cluster) -> Repair:
    """Nobody tells PostgreSQL that it is no longer the primary."""
    node = cluster.primary()
    node.lose_process("patroni")
    return lambda: node.start(cluster.nodes)


@_fault("SIGSTOP of the primary's Patroni alone, later SIGCONT")
def freeze_patroni(cluster: Cluster) -> Repair:
    """The same for a Patroni that hangs."""
    node = cluster.primary()
    return _freeze(node, [node.process("patroni")])


@_fault("SIGSTOP of the primary's PostgreSQL, later SIGCONT")
def freeze_postgresql(cluster: Cluster) -> Repair:
    """Its connections stay open, and say nothing."""
    node = cluster.primary()
    return _freeze(node, node.postgres())


@_fault("SIGSTOP of everything on the primary's machine, later SIGCONT: it wakes up as a primary")
def freeze_machine(cluster: Cluster) -> Repair:
    """As a virtual machine that its host stops for a while."""
    node = cluster.primary()
    return _freeze(node, node.everything())


@_fault("the network cable of the primary's machine is pulled out, later put in")
def cut_network(cluster: Cluster) -> Repair:
    """Neither clients nor nodes reach it, and it reaches nobody."""
    return _cut(cluster.primary())


@_fault("a switchover, as before maintenance", SHORT_SECONDS)
def switch_over(cluster: Cluster) -> Repair:
    """To the synchronous standby: Patroni allows no other."""
    cluster.switch_over()
    return nothing


@_fault("the standbys fall 0.7 s behind, then `kill -9` of everything on the primary's machine")
def lose_machine_ahead(cluster: Cluster) -> Repair:
    """Commits of this time wait for their confirmation, if replication is synchronous."""
    node = cluster.primary()
    send(
        signal.SIGSTOP, [process for process in node.postgres() if "walsender" in " ".join(process.cmdline())]
    )
    time.sleep(BEHIND_SECONDS)
    return _lose_power(cluster, node)


@_fault("`kill -9` of everything on the synchronous standby's machine")
def lose_synchronous_standby(cluster: Cluster) -> Repair:
    """Patroni makes the other standby the synchronous one."""
    return _lose_power(cluster, cluster.synchronous_standby())


@_fault("SIGSTOP of everything on the synchronous standby's machine, later SIGCONT")
def freeze_synchronous_standby(cluster: Cluster) -> Repair:
    """Its connection to the primary stays open, and confirms nothing."""
    node = cluster.synchronous_standby()
    return _freeze(node, node.everything())


@_fault("SIGSTOP of PostgreSQL on both standbys, later SIGCONT")
def freeze_both_standbys(cluster: Cluster) -> Repair:
    """No commit is confirmed meanwhile."""
    return repair_all([_freeze(node, node.postgres()) for node in cluster.standbys()])


@_fault("the network cable of the other standby's machine is pulled out, later put in")
def cut_other_standby(cluster: Cluster) -> Repair:
    """Nothing waits for it."""
    synchronous = cluster.synchronous_standby()
    [node] = (node for node in cluster.standbys() if node is not synchronous)
    return _cut(node)


@_fault("`kill -9` of etcd on both standbys' machines: etcd has no majority; later both start")
def lose_etcd_majority(cluster: Cluster) -> Repair:
    """The primary cannot renew its lease. It stays the primary, because it reaches all members."""
    return repair_all([_lose_etcd(cluster, node) for node in cluster.standbys()])


def _lose_etcd(cluster: Cluster, node: Node) -> Repair:
    node.lose_process("etcd")
    return lambda: node.start(cluster.nodes)


@_fault("the disk of the primary's data is full, later it has space again")
def fill_disk(cluster: Cluster) -> Repair:
    """PostgreSQL cannot extend tables. Its write-ahead log has files in reserve, so it does not crash, and nobody takes over."""
    node = cluster.primary()
    node.disk.fill()
    return node.disk.clear


@_fault(
    "the disk of the primary's data is full, and after 5 s there is a switchover; later it has space again"
)
def leave_full_disk(cluster: Cluster) -> Repair:
    """An operator who cannot free space at once switches over."""
    node = cluster.primary()
    node.disk.fill()
    time.sleep(OPERATOR_SECONDS)
    cluster.switch_over()
    return node.disk.clear
