"""nginx and Caddy with the files of ops/, on free ports of the loopback and with a self-made certificate."""

import os
import re
import ssl
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from support.balancer import free_ports
from support.certificates import NAME, Certificate, certificate_in
from support.programs import running_program

ROOT = Path(__file__).parents[2]
SERVICE = "127.0.0.1:8080"
"""The address of the service in the files of ops/."""
NGINX = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/premade.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running proxy."""

    kind: str
    url: str
    trust: ssl.SSLContext
    folder: Path
    process: psutil.Process

    def client(self, source: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """A client that trusts the certificate, and whose connections come from this address of the loopback."""
        transport = httpx.HTTPTransport(verify=self.trust, local_address=source)
        return httpx.Client(
            base_url=self.url, transport=transport, trust_env=False, timeout=60, headers=headers
        )

    def memory_bytes(self) -> int:
        """The memory of all its processes."""
        return sum(each.memory_info().rss for each in [self.process, *self.process.children(recursive=True)])


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    subprocess.run([sys.executable, ROOT / "tests/install_tools.py", "nginx", "caddy", "openssl"], check=True)
    return certificate_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture(params=["nginx", "caddy"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def proxy_before(service_url: str, kind: str, certificate: Certificate, folder: Path) -> Generator[Proxy]:
    """The proxy, with nothing but names, ports and the certificate replaced in its file."""
    https, http = free_ports(2)
    address = urlsplit(service_url).netloc
    write = {"nginx": _write_nginx, "caddy": _write_caddy}[kind]
    command = write(folder, address, certificate, https, http)
    url, trust = f"https://{NAME}:{https}", ssl.create_default_context(cafile=certificate.file)
    environment = {"PATH": "/usr/sbin:/usr/bin", "HOME": str(folder)}
    with running_program(
        command, folder / "proxy.log", lambda: _responds(url, trust), environment=environment
    ) as process:
        yield Proxy(kind, url, trust, folder, psutil.Process(process.pid))


def _responds(url: str, trust: ssl.SSLContext) -> bool:
    try:
        return httpx.get(f"{url}/healthz", verify=trust, trust_env=False).is_success
    except httpx.TransportError:
        return False


def _write_nginx(folder: Path, service: str, certificate: Certificate, https: int, http: int) -> list[str]:
    text = (ROOT / "ops/nginx/premade.conf").read_text()
    for old, new in (
        (SERVICE, service),
        ("/etc/premade/tls/fullchain.pem", str(certificate.file)),
        ("/etc/premade/tls/privkey.pem", str(certificate.key)),
        ("tickets.example.com", NAME),
        ("listen [::]:80;", ""),
        ("listen 80;", f"listen 127.0.0.1:{http};"),
        ("listen [::]:443 ssl http2;", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{https} ssl http2;"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (folder / "premade.conf").write_text(text)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    return ["nginx", "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]


def _write_caddy(folder: Path, service: str, certificate: Certificate, https: int, _http: int) -> list[str]:
    text = (ROOT / "ops/caddy/Caddyfile").read_text()
    own = "\ttls /etc/caddy/tls/fullchain.pem /etc/caddy/tls/privkey.pem\n"
    assert f"# {own.strip()}" in text
    text = re.sub(r"\t# tls .*\n", f"\ttls {certificate.file} {certificate.key}\n\tbind 127.0.0.1\n", text)
    text = text.replace("tickets.example.com {", f"https://{NAME}:{https} {{").replace(SERVICE, service)
    options = "{\n\tadmin off\n\tauto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + text)
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]
