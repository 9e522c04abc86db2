"""Commands that are no Python packages: `python tests/install_tools.py npm chromium promtool`, or others of PACKAGE_OF.

On a Debian where we are root what is missing is installed; elsewhere it is named, with its package.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

PACKAGE_OF = {
    "npm": "npm",
    "chromium": "chromium-headless-shell",
    "haproxy": "haproxy",
    "pgbouncer": "pgbouncer",
    "logrotate": "logrotate",
    "promtool": "prometheus",
    "wrk": "wrk",
    "nginx": "nginx-light",
    "caddy": "caddy",
    "openssl": "openssl",
    "pgbackrest": "pgbackrest",
    "etcd": "etcd-server",
    "etcdctl": "etcd-client",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "/usr/lib/postgresql/15/bin/postgres": "postgresql-15",
    "debootstrap": "debootstrap",
    "systemd-nspawn": "systemd-container",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "cc": "build-essential",
    "curl": "curl",
    "iptables": "iptables",
    "buildah": "buildah",
    "podman": "podman",
    "runc": "runc",
    "conmon": "conmon",
    "catatonit": "catatonit",
    "/usr/lib/podman/netavark": "netavark",
    "/usr/lib/podman/aardvark-dns": "aardvark-dns",
}
INSTALL_SECONDS_MAX = 900
POLICY = Path("/usr/sbin/policy-rc.d")
"""Debian's packages ask this program whether they may start a service. 101 means no."""


def is_there(command: str) -> bool:
    """Whether the command is installed, or for Chromium its headless shell, which has the name of its package."""
    return bool(shutil.which(command) or shutil.which(PACKAGE_OF[command]))


def main() -> None:
    missing = sorted(PACKAGE_OF[command] for command in sys.argv[1:] if not is_there(command))
    if not missing:
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        sys.exit(
            f"This needs {', '.join(missing)}, which are Debian packages; other systems have them under like"
            f" names. Install them (on Debian: sudo apt-get install {' '.join(missing)}) and try again."
        )
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with no_service_started():
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", *missing]):
            print("$ apt-get", *arguments, flush=True)
            subprocess.run(
                ["apt-get", "-qq", *arguments], check=True, env=environment, timeout=INSTALL_SECONDS_MAX
            )


@contextmanager
def no_service_started() -> Generator[None]:
    """Keep Debian from starting what it installs: nginx would listen on port 80."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    main()
