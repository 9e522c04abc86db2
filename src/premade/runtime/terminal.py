"""Standard output in any encoding: a terminal, a pipe or a file."""

import io
import sys
from typing import Any, cast


def accept_any_terminal() -> None:
    """Make standard output print '?' for characters that its encoding lacks, so that no command fails halfway.

    Standard error never fails on them.
    """
    output: Any = sys.stdout
    if isinstance(output, io.TextIOWrapper):
        cast("io.TextIOWrapper", output).reconfigure(errors="replace")


def can_show(text: str) -> bool:
    """Return whether the encoding of standard output has these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
