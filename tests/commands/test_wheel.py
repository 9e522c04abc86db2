"""The built wheel alone, in an empty environment elsewhere, does what the source tree does."""

from pathlib import Path

import pytest
from commands.test_demo import qr_in, running_demo
from release import REPOSITORY, build, install


@pytest.mark.nightly
def test_the_wheel_alone_runs_the_demo(home: Path) -> None:
    wheel, _ = build(REPOSITORY, home)
    program = install(wheel, home / "environment", REPOSITORY / "requirements" / "run.txt")

    with running_demo([str(program)], home / "data", PYTHONPATH="") as demo:
        assert qr_in(demo.output).startswith("PM1:CRUISE-")
