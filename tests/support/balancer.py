"""HAProxy before several services: it sends requests only to those whose /readyz is 200."""

import shutil
import socket
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from support.plain_http import NO_TLS
from support.programs import running_program

CHECK_MILLISECONDS = 200
NOTICES_SECONDS = 1.0
"""The balancer notices a service that is not ready within this time, also on a busy machine."""
_CONFIGURATION = """
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout check 2s
    option redispatch
frontend in
    bind 127.0.0.1:{port}
    default_backend services
backend services
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host localhost
    http-check expect status 200
    default-server check inter {milliseconds} fall 1 rise 1
{servers}
"""
needs_haproxy = pytest.mark.skipif(shutil.which("haproxy") is None, reason="HAProxy is not installed")


def free_ports(count: int) -> list[int]:
    """Return ports of the loopback that nobody uses."""
    with ExitStack() as open_sockets:
        bound = [open_sockets.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in bound]


def is_ready(url: str) -> bool:
    """Return whether the service is ready."""
    try:
        return httpx.get(f"{url}/readyz", trust_env=False, verify=NO_TLS).is_success
    except httpx.TransportError:
        return False


@contextmanager
def balancer(port: int, ports: Iterable[int], folder: Path) -> Generator[str]:
    """Yield the URL of an HAProxy before the services on these ports, once it finds one of them ready."""
    servers = "\n".join(f"    server s{each} 127.0.0.1:{each}" for each in ports)
    file = folder / "haproxy.cfg"
    file.write_text(_CONFIGURATION.format(port=port, milliseconds=CHECK_MILLISECONDS, servers=servers))
    url = f"http://127.0.0.1:{port}"
    with running_program(["haproxy", "-f", file, "-db"], folder / "haproxy.log", lambda: is_ready(url)):
        yield url
