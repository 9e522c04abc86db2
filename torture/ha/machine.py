"""A node of the cluster: a network namespace with etcd, Patroni and PostgreSQL, run as Debian's account postgres."""

import os
import pwd
import signal
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from torture.disk import ImageDisk
from torture.ha import ROOT
from torture.processes import send

ACCOUNT = "postgres"
BRIDGE = "premade0"
HUB_ADDRESS = "198.18.0.1"
"""198.18.0.0/15 is set aside for measurements in networks of one's own (RFC 2544)."""
_PREFIX = "198.18.0."
FILES = Path("/etc/premade-ha")
"""Where ops/ha is mounted: the configuration names this folder, as on an operator's machine."""
PATRONI = ROOT / ".venv" / "ha" / "bin" / "patroni"
_DISK_BYTES = 4 * 1024**3
"""Size of the disk of a node."""
PASSWORD = "no-secret"
"""Of servers that live for minutes, in a network without others."""

_AS_ON_ITS_OWN_MACHINE = (
    'mount --make-rprivate / && mount --bind "$0" /run/postgresql'
    f' && exec setpriv --reuid={ACCOUNT} --regid={ACCOUNT} --init-groups -- "$@"'
)
"""Each node has its own folder of PostgreSQL's socket. All of them use port 5432."""


def run(*command: str | Path) -> None:
    """Run a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def make_network() -> None:
    """Make the network that connects the nodes, the services and the clients. It ends with the process's namespace."""
    run("mount", "-t", "tmpfs", "tmpfs", "/run/netns")
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    run("ip", "address", "add", f"{HUB_ADDRESS}/24", "dev", BRIDGE)
    run("ip", "link", "set", BRIDGE, "up")


@contextmanager
def mounted_files() -> Generator[None]:
    """Mount ops/ha where its files name each other. An operator's own folder of this name is not touched, only hidden."""
    is_new = not FILES.exists()
    FILES.mkdir(exist_ok=True)
    run("mount", "--bind", ROOT / "ops" / "ha", FILES)
    try:
        yield
    finally:
        run("umount", FILES)
        if is_new:
            FILES.rmdir()


@dataclass
class Node:
    """One of the machines."""

    number: int
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, subprocess.Popen[bytes]])
    frozen: list[psutil.Process] = field(default_factory=list[psutil.Process])

    @property
    def name(self) -> str:
        """Name in Patroni, etcd and the network."""
        return f"db{self.number}"

    @property
    def address(self) -> str:
        """Its only address."""
        return f"{_PREFIX}{10 + self.number}"

    @property
    def disk(self) -> ImageDisk:
        """The disk, which has only PostgreSQL's data."""
        return ImageDisk(self.folder / "disk", _DISK_BYTES)

    @property
    def data(self) -> Path:
        """PostgreSQL's data directory."""
        return self.disk.folder / "postgres"

    def install(self) -> None:
        """Make the namespace, its cable to the bridge, and the folders."""
        run("ip", "netns", "add", self.name)
        run("ip", "link", "add", self.name, "type", "veth", "peer", "name", "eth0", "netns", self.name)
        run("ip", "link", "set", self.name, "master", BRIDGE, "up")
        for arguments in (
            ("address", "add", f"{self.address}/24", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            run("ip", "-n", self.name, *arguments)
        account = pwd.getpwnam(ACCOUNT)
        folders = (self.folder, self.folder / "sockets", self.disk.folder)
        for folder in folders:
            folder.mkdir()
        self.disk.mount()
        for folder in folders:
            os.chown(folder, account.pw_uid, account.pw_gid)

    def plug(self, *, is_in: bool) -> None:
        """Put the network cable in, or pull it out."""
        run("ip", "link", "set", self.name, "up" if is_in else "down")

    def environment(self, nodes: "list[Node]") -> dict[str, str]:
        """Return node.env with the values of this node."""
        etcd = ",".join(f"{node.name}=http://{node.address}:2380" for node in nodes)
        changed = {
            "PATRONI_POSTGRESQL_DATA_DIR": str(self.data),
            "PATRONI_ETCD3_HOSTS": ",".join(f"{node.address}:2379" for node in nodes),
            "ETCD_DATA_DIR": str(self.folder / "etcd"),
            "ETCD_INITIAL_CLUSTER": etcd,
        }
        lines = (ROOT / "ops" / "ha" / "node.env").read_text().splitlines()
        example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
        mine = {
            name: value.replace("192.0.2.11", self.address).replace("change-me", PASSWORD)
            if value != "db1"
            else self.name
            for name, value in example.items()
        }
        return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **mine, **changed}

    def start(self, nodes: "list[Node]") -> None:
        """Start etcd and Patroni, those of them that do not run."""
        environment = self.environment(nodes)
        for program, command in (("etcd", ["etcd"]), ("patroni", [PATRONI, FILES / "patroni.yml"])):
            if self.runs(program):
                continue
            with (self.folder.parent / f"{self.name}.{program}.log").open("ab") as log:
                self.processes[program] = subprocess.Popen(
                    [
                        *("ip", "netns", "exec", self.name, "sh", "-c", _AS_ON_ITS_OWN_MACHINE),
                        self.folder / "sockets",
                        *command,
                    ],
                    cwd="/",
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def runs(self, program: str) -> bool:
        """Return whether `etcd` or `patroni` runs."""
        return program in self.processes and self.processes[program].poll() is None

    def process(self, program: str) -> psutil.Process:
        """Return the process of `etcd` or `patroni`, which runs."""
        return psutil.Process(self.processes[program].pid)

    def postgres(self) -> list[psutil.Process]:
        """Return the processes of PostgreSQL, the postmaster first."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            postmaster = psutil.Process(pid)
            return [postmaster, *postmaster.children()]
        except (OSError, ValueError, psutil.NoSuchProcess):
            return []

    def everything(self) -> list[psutil.Process]:
        """Return all processes of the machine."""
        return [*self._started(), *self.postgres()]

    def _started(self) -> Iterator[psutil.Process]:
        for program in self.processes:
            if self.runs(program):
                parent = self.process(program)
                yield from [parent, *(child for child in parent.children() if child.name() != "postgres")]

    def freeze(self, processes: list[psutil.Process]) -> None:
        """Stop these processes where they are, until `thaw`."""
        self.frozen = processes
        send(signal.SIGSTOP, processes)

    def thaw(self) -> None:
        """Let the frozen processes continue."""
        send(signal.SIGCONT, self.frozen)
        self.frozen = []

    def lose_process(self, program: str) -> None:
        """Kill `etcd` or `patroni` alone."""
        send(signal.SIGKILL, [self.process(program)])
        self.processes[program].wait()

    def lose_power(self) -> None:
        """Kill everything at once. What was not on the disk is gone, except in the machine's page cache."""
        send(signal.SIGKILL, self.everything())
        for process in self.processes.values():
            process.wait()
