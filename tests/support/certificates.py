"""Self-made certificates for `localhost`."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAME = "localhost"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate, and its key."""

    file: Path
    key: Path


def certificate_in(folder: Path) -> Certificate:
    """Make a certificate in this folder. It needs openssl."""
    files = Certificate(folder / "fullchain.pem", folder / "privkey.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}", "-keyout", files.key, "-out", files.file],
        check=True, capture_output=True,
    )  # fmt: skip
    return files
