"""Namespaces of its own for the whole run: network, processes and mounts. Everything in them ends with the run."""

import os
import shutil
import subprocess
import sys

from torture.ha.machine import ACCOUNT, PATRONI

_INSIDE = "TORTURE_HA_INSIDE"
_NEEDED = ("unshare", "setpriv", "ip", "etcd", "etcdctl", "haproxy", "mkfs.ext4")
# The shell is the first process of the namespace, which must wait for orphans: PostgreSQL is one.
_SHELL = ("sh", "-c", '"$@"; exit $?', "sh")


def enter_namespaces() -> None:
    """Start this command again in new namespaces, unless it runs there already.

    Raises:
        SystemExit: something is missing. The message says what to do.
    """
    if os.environ.get(_INSIDE):
        return
    if refusal := _refusal():
        sys.exit(refusal)
    command = [
        *("unshare", "--net", "--mount", "--propagation", "private", "--pid", "--mount-proc"),
        *("--fork", "--kill-child", "--", *_SHELL),
        *(sys.executable, "-m", "torture.ha", *sys.argv[1:]),
    ]
    sys.stdout.flush()
    os.execvpe(command[0], command, {**os.environ, _INSIDE: "1"})  # noqa: S606  (no shell is wanted)


def _refusal() -> str | None:
    if sys.platform != "linux" or os.geteuid() != 0:
        return "make ha makes network namespaces. Run it as root, on Linux."
    if missing := [program for program in _NEEDED if shutil.which(program) is None]:
        return f"make ha needs {', '.join(missing)}. On Debian, make ha installs them."
    as_account = ["setpriv", f"--reuid={ACCOUNT}", f"--regid={ACCOUNT}", "--init-groups", "--"]
    # Twice: a program that was started may not be able to start itself again, as Patroni does.
    starts_itself = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import patroni'], check=True)"
    )
    tried = subprocess.run(
        [*as_account, PATRONI.with_name("python"), "-c", starts_itself],
        check=False,
        cwd="/",
        capture_output=True,
    )
    if tried.returncode:
        return (
            f"The account {ACCOUNT} cannot run {PATRONI}. Move the folder to where it may read, such as /srv."
        )
    return None
