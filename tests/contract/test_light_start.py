"""A worker and a command import only what nearly every request or command needs."""

import subprocess
import sys

import pytest

DRAWING = {"PIL", "fontTools", "reportlab", "xlsxwriter"}
SERVING = {"fastapi", "starlette", "uvicorn", "jinja2", "phonenumbers", "email_validator"}


def loaded(module: str) -> set[str]:
    """The names of all modules that are there after an import of this one, in a new process."""
    script = f"import sys, {module}; print(*sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    return set(ran.stdout.split())


@pytest.mark.parametrize(
    ("module", "needed", "heavy"),
    [
        ("premade.worker", "fastapi", {*DRAWING, "zxcvbn", "typer", "premade.cli", "premade.demo"}),
        (
            "premade.cli",
            "typer",
            {*DRAWING, *SERVING, "zxcvbn", "premade.app", "premade.serve", "premade.demo"},
        ),
        # Each worker imports the main module of its parent.
        ("premade.__main__", "premade", {"premade.cli", "typer", "psycopg", "pydantic"}),
    ],
)
def test_an_import_does_not_load_what_few_need(module: str, needed: str, heavy: set[str]) -> None:
    modules = loaded(module)

    assert needed in modules
    assert heavy & modules == set()
