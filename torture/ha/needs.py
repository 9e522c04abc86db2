"""What `make ha` needs of the machine."""

import os
import shutil
import subprocess
import sys

from torture.ha.machine import ACCOUNT, PATRONI

_NEEDED = ("unshare", "setpriv", "ip", "etcd", "etcdctl", "haproxy", "mkfs.ext4")


def lack() -> str | None:
    """Return what is missing and what to do, or None."""
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
