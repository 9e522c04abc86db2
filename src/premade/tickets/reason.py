"""Reason of a cancellation or a reissue, as free text."""

from typing import Annotated

from pydantic import AfterValidator, Field

from premade.http.fields import ONE_LINE_PATTERN, RequestModel
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason

Reason = Annotated[
    str,
    Field(
        description=f"Reason for the audit record: 1 to {REASON_CHARACTERS_MAX} characters on one line. Do not include personal data.",
        examples=["The customer's plans changed"],
        json_schema_extra={"minLength": 1, "maxLength": REASON_CHARACTERS_MAX, "pattern": ONE_LINE_PATTERN},
    ),
    AfterValidator(checked_reason),
]


class ReasonRequest(RequestModel):
    """Reason of the change."""

    reason: Reason
