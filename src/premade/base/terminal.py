"""Standard output as it is: a terminal, a pipe or a file, in whatever encoding."""

import io
import sys
from typing import Any, cast


def accept_any_terminal() -> None:
    """Print '?' for characters that the terminal or the file cannot take. Nothing ends a command half done for one.

    Standard error does so by itself.
    """
    output: Any = sys.stdout
    if isinstance(output, io.TextIOWrapper):
        cast("io.TextIOWrapper", output).reconfigure(errors="replace")


def can_show(text: str) -> bool:
    """Return whether the terminal has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
