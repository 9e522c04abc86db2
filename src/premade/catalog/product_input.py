"""Price and functions of a product as an operator types them."""

import re
from decimal import Decimal

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.values.texts import cleaned

_USES_DIGITS_MAX = 9
# Plain decimals only: Python also reads texts such as 1_0 and 0E-20000 as numbers.
_AMOUNT = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?")


def read_price(text: str) -> Decimal:
    """Return the amount of money that the text says.

    Raises:
        Invalid: it is not an amount.
    """
    plain = cleaned(text)
    if not _AMOUNT.fullmatch(plain):
        raise Invalid([FieldError("price", field_text("number.amount", text=text))])
    return Decimal(plain)


def read_functions(entries: list[str]) -> dict[str, int]:
    """Return uses by function code: `["ferry=2", "gift=1"]` as `{"ferry": 2, "gift": 1}`.

    Raises:
        Invalid: with each wrong entry.
    """
    functions: dict[str, int] = {}
    wrong: list[FieldError] = []
    for entry in entries:
        code, _equals, uses = entry.partition("=")
        is_number = uses.isascii() and uses.isdecimal() and len(uses) <= _USES_DIGITS_MAX
        if is_number and code not in functions:
            functions[code] = int(uses)
        else:
            wrong.append(FieldError("entitles", field_text("product.function", entry=entry)))
    if wrong:
        raise Invalid(wrong)
    return functions
