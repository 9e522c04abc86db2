"""Why somebody takes a ticket back or has its QR made anew, in their own words."""

from typing import Annotated

from pydantic import AfterValidator, Field

from premade.base.values import RequestModel

REASON_CHARACTERS_MAX = 200
# As far as the regular expressions of JSON Schema can say it: one line, and not only blanks.
_ONE_LINE = (
    r"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029]"
    r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
)


def checked_reason(text: str) -> str:
    """The reason. ValueError when it is none."""
    if not text.strip() or len(text) > REASON_CHARACTERS_MAX or not text.isprintable():
        message = f"Must be 1 to {REASON_CHARACTERS_MAX} printable characters, not only blanks"
        raise ValueError(message)
    return text


Reason = Annotated[
    str,
    Field(
        description=f"Kept in the record: 1 to {REASON_CHARACTERS_MAX} printable characters. "
        "Put nothing about a person in it.",
        examples=["The customer's plans changed"],
        json_schema_extra={"minLength": 1, "maxLength": REASON_CHARACTERS_MAX, "pattern": _ONE_LINE},
    ),
    AfterValidator(checked_reason),
]


class ReasonRequest(RequestModel):
    """Why."""

    reason: Reason
