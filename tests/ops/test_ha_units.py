"""The systemd units of a node of the cluster."""

import shutil
import subprocess
from pathlib import Path

import pytest

FILES = Path(__file__).parent.parent.parent / "ops" / "ha"
PATRONI = "/opt/premade-ha/bin/patroni"
ETCD = Path("/lib/systemd/system/etcd.service")


def complaints_about(unit: Path) -> str:
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    result = subprocess.run(command, check=False, capture_output=True, text=True)
    return result.stdout + result.stderr


@pytest.mark.nightly
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit_of_patroni(tmp_path: Path) -> None:
    # Patroni is not installed where the tests run.
    text = (FILES / "patroni.service").read_text()
    assert f"ExecStart={PATRONI} " in text
    unit = tmp_path / "patroni.service"
    unit.write_text(text.replace(PATRONI, "/bin/true"))
    assert complaints_about(unit) == ""


@pytest.mark.nightly
@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None or not ETCD.exists(),
    reason="needs systemd-analyze and Debian's etcd",
)
def test_systemd_understands_the_drop_in_of_etcd(tmp_path: Path) -> None:
    unit = tmp_path / "etcd.service"
    shutil.copy(ETCD, unit)
    drop_ins = tmp_path / "etcd.service.d"
    drop_ins.mkdir()
    shutil.copy(FILES / "etcd.conf", drop_ins / "premade.conf")
    assert complaints_about(unit) == ""
