"""TLS to the database: the certificate is checked as the URL says, and the doctor reports what protects the connection."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands.test_doctor import examined, lines_of
from support.balancer import free_ports
from support.certificates import NAME, Certificate, certificate_in
from support.cluster import Cluster, cluster, needs_standalone

from premade.doctor.checks.encryption import encryption_of
from premade.doctor.server_sql import Encryption

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("is_encrypted", "is_local", "mode", "reason"),
    [
        (False, True, "prefer", "local"),
        (False, False, "prefer", "plain"),
        (True, False, "verify-full", "verified"),
        (True, True, "require", "not_verified"),
        # Any certificate of the same authority would do.
        (True, False, "verify-ca", "not_verified"),
    ],
)
def test_the_doctor_reports_what_protects_a_connection(
    *, is_encrypted: bool, is_local: bool, mode: str, reason: str
) -> None:
    assert encryption_of(Encryption(is_encrypted, is_local), mode).reason == reason


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    subprocess.run([sys.executable, ROOT / "tests/install_tools.py", "openssl"], check=True)
    return certificate_in(tmp_path)


@pytest.fixture
def over_tls(certificate: Certificate) -> Iterator[str]:
    """The address of a server with this certificate, on the loopback."""
    with cluster() as server:
        server.initialise()
        files = [own_copy(server, file) for file in (certificate.file, certificate.key)]
        [port] = free_ports(1)
        server.start(
            listen_addresses="127.0.0.1",
            port=str(port),
            ssl="on",
            ssl_cert_file=files[0],
            ssl_key_file=files[1],
        )
        yield f"host={NAME} hostaddr=127.0.0.1 port={port} user=premade dbname=postgres"


def own_copy(server: Cluster, file: Path) -> str:
    """Copy a file to where only the server can read it; return its path."""
    copy = server.data / file.name
    shutil.copy(file, copy)
    copy.chmod(0o600)
    folder = server.data.stat()
    os.chown(copy, folder.st_uid, folder.st_gid)
    return str(copy)


@pytest.mark.nightly
@needs_standalone
def test_the_certificate_is_checked_as_the_url_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, certificate: Certificate, over_tls: str
) -> None:
    def mark_and_text(dsn: str, check: str = "encryption") -> tuple[str, str]:
        [line] = lines_of(examined(monkeypatch, dsn), check)
        return line.mark, line.text

    verified = f"{over_tls} sslmode=verify-full sslrootcert={certificate.file}"
    assert mark_and_text(verified)[0] == "ok"
    mark, text = mark_and_text(f"{over_tls} sslmode=require")
    assert (mark, "sslmode is require" in text) == ("warning", True)
    assert mark_and_text(f"{over_tls} sslmode=disable")[0] == "ok"

    (tmp_path / "other").mkdir()
    other = certificate_in(tmp_path / "other")
    mark, text = mark_and_text(f"{over_tls} sslmode=verify-full sslrootcert={other.file}", "database")
    assert (mark, "certificate verify failed" in text) == ("wrong", True)
    another_name = verified.replace(f"host={NAME} ", "host=db.example ")
    mark, text = mark_and_text(another_name, "database")
    assert (mark, "does not match host name" in text) == ("wrong", True)
