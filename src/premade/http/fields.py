"""Types of fields that several endpoints share, for requests and responses."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, cast

from fastapi import Header
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    field_serializer,
)

from premade.runtime.clock import rfc3339
from premade.runtime.errors import FieldError
from premade.texts.fields import field_text
from premade.values.calendar import calendar_day, no_such_day
from premade.values.currency import DECIMALS_MAX, amount_text

IDEMPOTENCY_KEY_CHARACTERS_MAX = 255
_IDEMPOTENCY_KEY = re.compile(rf"[\x21-\x7e]{{1,{IDEMPOTENCY_KEY_CHARACTERS_MAX}}}")
_DIGITS_MAX = 19
_DIGITS = re.compile(rf"[0-9]{{1,{_DIGITS_MAX}}}")
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


# The texts that `texts.one_line` accepts, as far as JSON Schema can express it: one line, no deceptive character, at least
# one visible one. Characters beyond U+FFFF are left out, because not every validator supports them.
_REFUSED = r"\u0000-\u001f\u007f-\u009f\u115f\u1160\u2028-\u202e\u2065-\u206f\u2800\u3164\ud800-\udfff\uffa0\ufff0-\ufffb\ufffe\uffff"
_INVISIBLE = r"\s\u00ad\u034f\u061c\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff"
ONE_LINE_PATTERN = rf"^\s*[^{_REFUSED}]*[^{_INVISIBLE}{_REFUSED}][^{_REFUSED}]*\s*$"


class RequestModel(BaseModel):
    """Base of request models: no coercion. Unknown members are ignored, because the contract allows them."""

    model_config = ConfigDict(strict=True, frozen=True)

    @classmethod
    def excuse_traps(cls, _value: Any, traps: list[FieldError]) -> list[FieldError]:
        """Return the JSON traps that refuse the whole request. A model overrides this to accept some of them."""
        return traps


class AnswerModel(BaseModel):
    """Base of response models: members with a default are always present.

    `price` and `total_amount` are `Money` in the model's `currency`.
    """

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    @field_serializer("price", "total_amount", check_fields=False)
    def _in_its_currency(self, amount: Decimal) -> str:
        return amount_text(amount, cast("Any", self).currency)


def _idempotency_key(value: str) -> str:
    # A structured field (RFC 8941) puts the string in quotes; many clients send it bare.
    bare = value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
    if not _IDEMPOTENCY_KEY.fullmatch(bare):
        raise ValueError(field_text("http.idempotency_key", most=IDEMPOTENCY_KEY_CHARACTERS_MAX))
    return bare


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        description="Makes a retry safe: the same key with the same request returns the same response. "
        f"1 to {IDEMPOTENCY_KEY_CHARACTERS_MAX} visible ASCII characters, without the optional quotes of RFC 8941.",
        json_schema_extra={
            "minLength": 1,
            "maxLength": IDEMPOTENCY_KEY_CHARACTERS_MAX,
            "pattern": "^[!-~]+$",
        },
    ),
    AfterValidator(lambda value: None if value is None else _idempotency_key(value)),
]


def _digits(value: Any) -> Any:
    """Refuse texts that Python also accepts as numbers, such as 5_0 and +5."""
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError(field_text("number.digits", most=_DIGITS_MAX))
    return value


IN_DIGITS = BeforeValidator(_digits)
"""Validator of a whole number in a URL, where every value is text."""


def _calendar_day(value: Any) -> date:
    if isinstance(value, str):
        return calendar_day(value)
    raise ValueError(field_text("time.day"))


CalendarDay = Annotated[
    date, BeforeValidator(_calendar_day), WithJsonSchema({"type": "string", "format": "date"})
]


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and _MOMENT.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
            return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
        except (ValueError, OverflowError):
            if why := no_such_day(value[:10]):
                raise ValueError(why) from None
    raise ValueError(field_text("time.moment"))


Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-11-04T08:40:00.000Z"]}),
]
"""Time in a request: RFC 3339. Stored in UTC with milliseconds, as in responses."""

Timestamp = Annotated[
    datetime,
    PlainSerializer(rfc3339, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2025-11-04T08:40:00.000Z"]}),
]
"""Time in a response: RFC 3339 in UTC, with milliseconds."""

MONEY_PATTERN = rf"^\d+(\.\d{{2,{DECIMALS_MAX}}})?$"

Money = Annotated[
    Decimal,
    WithJsonSchema({"type": "string", "pattern": MONEY_PATTERN, "examples": ["288.00"]}),
]
"""A decimal string with all decimals of its currency, so that no reader rounds it."""
