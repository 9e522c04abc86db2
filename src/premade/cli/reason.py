"""The option `--reason` of commands that change tickets."""

from typing import Annotated

import typer

from premade.runtime.errors import FieldError, Invalid
from premade.tickets.change import checked_reason

COMMAND_REQUEST = "command"
"""The request id of a change by a command, in the audit record."""


def _checked(text: str) -> str:
    try:
        return checked_reason(text)
    except ValueError as error:
        raise Invalid([FieldError("reason", str(error))]) from None


Reason = Annotated[str, typer.Option(help="Why, for the audit record.", parser=_checked)]
