"""The units of ops/systemd on a Debian that systemd boots, in a container of systemd-nspawn without a network."""

import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tries.place import URL, Place
from tries.steps import (
    ROOT,
    TryFailed,
    check,
    copy_of,
    debian_root,
    locked_wheels,
    need,
    need_root,
    run,
    say,
    wait_until,
    wheel,
)

PACKAGES = ["systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "procps", "postgresql"]
EXPOSURE_MAX = 2.0
"""Of `systemd-analyze security`, from 0 (nothing is allowed) to 10."""
SOURCES = ["ops/systemd", "requirements"]
SOURCES_PLACE = "/srv/premade"
"""Their folder on the machine."""
RESTARTS = 3
NSPAWN = ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network"]
UNITS = "/etc/systemd/system"
BACKUPS = "/var/backups/premade"
SETTINGS = "/etc/premade/premade.env"
OWN_SERVER = "DATABASE_URL='postgresql:///premade?host=/run/postgresql'"
"""PostgreSQL on the same machine. It knows the user premade, so the address needs no password."""
SHORT_WATCHDOG = "[Service]\nWatchdogSec=10\n"


class Machine(Place):
    """A booted machine."""

    def __init__(self, pid: str) -> None:
        """`pid`: process id of its systemd."""
        self.enter = ("nsenter", f"--target={pid}", "--all")
        super().__init__(Path(f"/proc/{pid}/ns/net"), (*self.enter, "premade"))

    def run(self, *command: str) -> str:
        """Run a command in it, and return its output."""
        return run(*self.enter, *command)

    def unit(self, name: str, property_name: str) -> str:
        """Return a property of a unit."""
        show = ["systemctl", "show", "--value", f"--property={property_name}", name]
        return run(*self.enter, *show, quiet=True).strip()

    def journal(self) -> str:
        """Return the last lines of the service and of systemd about it."""
        return self.run("journalctl", "--no-pager", "--lines=100", "--unit=premade.service")


def try_systemd() -> None:
    """Install, verify, start by a connection, sell, restart under load, crash, hang, back up; and with PostgreSQL."""
    need_root()
    need("systemd-nspawn", "nsenter", "curl")
    with copy_of(debian_root("machine", PACKAGES)) as root:
        _install(root)
        with _booted(root) as machine:
            try:
                _verify(machine)
                _first_start(machine)
                key = machine.open_shop()
                machine.sell(key, "BEFORE")
                _check_confinement(machine)
                _restart_under_load(machine)
                _crash_and_hang(machine)
                machine.sell(key, "AFTER")
                say(machine.run("premade", "doctor"))
                _back_up(machine)
                _move_to_own_server(machine)
                _back_up(machine)
                _stop(machine)
            except TryFailed:
                say(machine.run("journalctl", "--no-pager", "--lines=60"))
                raise


def _install(root: Path) -> None:
    """Carry out the steps of docs/operating.md with the wheel of this source tree.

    The root of this machine closes its files to others, and a run without the package python3-venv has failed before.
    """
    here = root / SOURCES_PLACE.lstrip("/")
    for source in SOURCES:
        shutil.copytree(ROOT / source, here / source)
    with TemporaryDirectory(prefix="premade-ops-") as folder:
        built = Path(shutil.copy(wheel(Path(folder)), here))
    wheels = here / "wheels"
    shutil.copytree(locked_wheels(), wheels)
    offline = ["--setenv=PIP_NO_INDEX=1", f"--setenv=PIP_FIND_LINKS={SOURCES_PLACE}/wheels"]
    script, package = f"{SOURCES_PLACE}/ops/systemd/install.sh", f"{SOURCES_PLACE}/{built.name}"
    folder = f"/opt/premade-{built.name.split('-')[1]}"
    run(*NSPAWN, "--pipe", "--directory", root, "python3", "-m", "venv", "--without-pip", folder)
    install = 'umask 077; exec sh "$@"'
    run(*NSPAWN, "--pipe", *offline, "--directory", root, "sh", "-c", install, "sh", script, package)
    shutil.rmtree(wheels)
    (root / f"{UNITS}/premade.service.d/try.conf".lstrip("/")).write_text(SHORT_WATCHDOG)


@contextmanager
def _booted(root: Path) -> Generator[Machine]:
    """Boot the root. Its processes see only each other, and a network of their own that leads nowhere."""
    with subprocess.Popen(
        [*NSPAWN, "--boot", "--console=pipe", "--directory", root],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as nspawn:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")
        try:
            wait_until(lambda: children.read_text().split(), "systemd-nspawn starts nothing")
            machine = Machine(children.read_text().split()[0])
            wait_until(lambda: _has_booted(machine), "the machine does not boot")
            yield machine
        finally:
            nspawn.terminate()
            nspawn.wait(60)


def _has_booted(machine: Machine) -> bool:
    command = [*machine.enter, "systemctl", "is-system-running"]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return state in {"running", "degraded"}


def _verify(machine: Machine) -> None:
    names = machine.run(
        "sh", "-c", f"cd {UNITS} && ls premade*.service premade*.socket premade*.timer"
    ).split()
    check(len(names) == 5, f"units are missing: {names}")
    complaints = machine.run("systemd-analyze", "verify", "--man=no", *[f"{UNITS}/{name}" for name in names])
    check(not complaints.strip(), f"systemd-analyze verify: {complaints}")
    for name in names:
        if name.endswith(".service"):
            threshold = f"--threshold={EXPOSURE_MAX * 10:.0f}"
            report = machine.run("systemd-analyze", "security", "--offline=true", threshold, name)
            say(report.strip().splitlines()[-1])


def _first_start(machine: Machine) -> None:
    machine.run("systemctl", "start", "premade-migrate.service")
    machine.run("systemctl", "enable", "--now", "premade.socket")
    check(
        machine.unit("premade.service", "ActiveState") == "inactive", "the service runs before a connection"
    )
    check('"ready"' in machine.get("/readyz"), "a connection does not start the service")
    machine.run("systemctl", "enable", "--now", "premade.service", "premade-backup.timer")
    check(machine.unit("premade.service", "StatusText") == f"Serves at {URL}", "the status is not reported")


def _check_confinement(machine: Machine) -> None:
    status = machine.run("cat", f"/proc/{machine.unit('premade.service', 'MainPID')}/status")
    for line in ("NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"):
        check(line in status, f"the service is not confined: {line} is missing")
    check("Uid:\t0" not in status, "the service runs as root")


def _restart_under_load(machine: Machine) -> None:
    with machine.clients() as results:
        for _ in range(RESTARTS):
            machine.run("systemctl", "restart", "premade.service")
            machine.get("/readyz")
        machine.run("systemctl", "reload", "premade.service")
        machine.get("/readyz")
    say(f"{RESTARTS} restarts and a reload under load: {results}")
    check(set(results) == {"200"}, f"requests failed: {results}")


def _crash_and_hang(machine: Machine) -> None:
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGKILL", "premade.service")
    wait_until(
        lambda: machine.unit("premade.service", "NRestarts") == "1", "a killed service is not restarted"
    )
    machine.get("/readyz")
    machine.run("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", "premade.service")
    wait_until(
        lambda: machine.unit("premade.service", "NRestarts") == "2", "a service that hangs is not restarted"
    )
    check("atchdog timeout" in machine.journal(), "it was not the watchdog that noticed")
    machine.get("/readyz")


def _back_up(machine: Machine) -> None:
    before = machine.run("ls", BACKUPS).split()
    machine.run("systemctl", "start", "premade-backup.service")
    new = set(machine.run("ls", BACKUPS).split()) - set(before)
    check(any(name.endswith(".dump") for name in new), f"there is no new backup: {new}")
    check("premade-backup" in machine.run("systemctl", "list-timers", "--no-pager"), "the timer does not run")


def _move_to_own_server(machine: Machine) -> None:
    """Let the service use the PostgreSQL of Debian. It starts with an empty database."""
    as_postgres = ["runuser", "--user", "postgres", "--"]
    machine.run("systemctl", "start", "postgresql")
    wait_until(lambda: _accepts(machine, as_postgres), "PostgreSQL does not start")
    machine.run(*as_postgres, "createuser", "premade")
    own = ["--owner", "premade", "--encoding", "UTF8", "--template", "template0"]
    machine.run(*as_postgres, "createdb", *own, "premade")
    machine.run("sh", "-c", f'echo "{OWN_SERVER}" >> {SETTINGS}')
    machine.run("systemctl", "start", "premade-migrate.service")
    machine.run("systemctl", "restart", "premade.service")
    wait_until(machine.is_ready, "the service is not ready with PostgreSQL")
    check("embedded" not in machine.run("premade", "doctor"), "it still uses the embedded PostgreSQL")
    machine.sell(machine.open_shop(), "OWN_SERVER")


def _accepts(machine: Machine, as_postgres: list[str]) -> bool:
    try:
        machine.run(*as_postgres, "psql", "--command", "SELECT 1")
    except TryFailed:
        return False
    return True


def _stop(machine: Machine) -> None:
    machine.run("systemctl", "stop", "premade.socket", "premade.service")
    check(machine.unit("premade.service", "Result") == "success", "the service did not stop in order")
    left = machine.run("sh", "-c", "pgrep --list-full --euid premade || true")
    check(not left, f"processes are left: {left}")
    check("service.stopped" in machine.journal(), "the log does not say that it stopped")
