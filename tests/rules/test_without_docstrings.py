"""Texts for people are no docstrings: `python -OO` publishes what `python` does."""

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import premade

SCRIPT = Path(__file__).parents[1] / "support" / "published_texts.py"


@cache
def published(*options: str) -> Any:
    ran = subprocess.run(
        [sys.executable, *options, str(SCRIPT)], check=True, capture_output=True, text=True, timeout=120
    )
    return json.loads(ran.stdout)


@pytest.mark.nightly
@pytest.mark.parametrize("part", ["document", "problems", "help"])
def test_what_is_published_does_not_depend_on_docstrings(part: str) -> None:
    with_docstrings, without = published()[part], published("-OO")[part]

    assert len(json.dumps(with_docstrings)) > 1_000
    assert without == with_docstrings


@pytest.mark.nightly
def test_the_command_helps_without_docstrings() -> None:
    shown = [
        subprocess.run(
            [sys.executable, *options, "-m", "premade", "--help"],
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        ).stdout
        for options in ([], ["-OO"])
    ]

    assert "Start the service." in shown[0]
    assert shown[1] == shown[0]


SOURCES = sorted(path for path in Path(premade.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: str(path.relative_to(SOURCES[0].parent)))
def test_nothing_reads_docstrings_and_an_assertion_only_narrows_a_type(source: Path) -> None:
    """`python -O` removes assertions too. Without one, only a value that is None by mistake goes further."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Assert):
            assert isinstance(node.test, ast.Compare), node.lineno
            assert isinstance(node.test.ops[0], ast.IsNot), node.lineno
            assert ast.unparse(node.test.comparators[0]) == "None", node.lineno
            assert not any(isinstance(part, ast.Call | ast.Await) for part in ast.walk(node.test)), (
                node.lineno
            )
        named = getattr(node, "attr", getattr(node, "id", ""))
        assert named not in {"__doc__", "getdoc"}, (source, getattr(node, "lineno", 0))
