"""Why somebody takes a ticket back or has its QR made anew, in their own words."""

from typing import Annotated

from pydantic import AfterValidator, Field

from premade.http.fields import ONE_LINE_PATTERN, RequestModel
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason

Reason = Annotated[
    str,
    Field(
        description=f"Kept in the record: 1 to {REASON_CHARACTERS_MAX} characters on one line. "
        "Put nothing about a person in it.",
        examples=["The customer's plans changed"],
        json_schema_extra={"minLength": 1, "maxLength": REASON_CHARACTERS_MAX, "pattern": ONE_LINE_PATTERN},
    ),
    AfterValidator(checked_reason),
]


class ReasonRequest(RequestModel):
    """Why."""

    reason: Reason
