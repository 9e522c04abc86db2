"""Texts for people are no docstrings: `python -OO` publishes what `python` does."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "support" / "published_texts.py"


@cache
def published(*options: str) -> Any:
    ran = subprocess.run(
        [sys.executable, *options, str(SCRIPT)], check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(ran.stdout)


@pytest.mark.parametrize("part", ["document", "problems", "help"])
def test_what_is_published_does_not_depend_on_docstrings(part: str) -> None:
    with_docstrings, without = published()[part], published("-OO")[part]

    assert len(json.dumps(with_docstrings)) > 1_000
    assert without == with_docstrings


def test_the_command_helps_without_docstrings() -> None:
    shown = [
        subprocess.run(
            [sys.executable, *options, "-m", "premade.cli", "--help"],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for options in ([], ["-OO"])
    ]

    assert "Start the service." in shown[0]
    assert shown[1] == shown[0]
