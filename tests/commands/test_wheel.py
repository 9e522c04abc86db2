"""The built wheel alone, in an empty environment elsewhere, does what the source tree does."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from commands.test_demo import qr_in, running_demo

REPOSITORY = Path(__file__).parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.mark.nightly
def test_the_wheel_alone_runs_the_demo(home: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(home),
            str(REPOSITORY),
        ],
        check=True,
        capture_output=True,
    )
    [wheel] = home.glob("premade-*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for sql in (REPOSITORY / "src").rglob("*.sql"):
        assert str(sql.relative_to(REPOSITORY / "src")) in inside
    for migration in (REPOSITORY / "db" / "migrations").glob("*.sql"):
        assert f"premade/migrations/{migration.name}" in inside

    elsewhere = home / "elsewhere"
    venv.create(elsewhere / "env", with_pip=False, symlinks=True)
    python = elsewhere / "env" / "bin" / "python"
    install = [str(UV), "pip", "install", "--quiet", "--python", str(python)]
    locked = ["--require-hashes", "--requirement", str(REPOSITORY / "requirements" / "run.txt")]
    subprocess.run([*install, *locked], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)

    program = [str(elsewhere / "env" / "bin" / "premade")]
    with running_demo(program, elsewhere / "data", PYTHONPATH="") as demo:
        assert qr_in(demo.output).startswith("PM1:CRUISE-")
