"""Price and functions of a product as an operator types them."""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal

from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.texts.languages import LANGUAGES
from premade.values.texts import cleaned, one_line

NAME_CHARACTERS_MAX = 200
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


def read_names(names: Mapping[str, str]) -> dict[str, str]:
    """Return the names by language tag as they are stored. An empty one is left out.

    Raises:
        Invalid: with each wrong language and name.
    """
    tags = [language.tag for language in LANGUAGES]
    stored: dict[str, str] = {}
    wrong: list[FieldError] = []
    for tag, name in names.items():
        if tag not in tags:
            wrong.append(
                FieldError("name_in", field_text("product.language", tag=tag, known=", ".join(tags)))
            )
        elif cleaned(name):
            try:
                stored[tag] = one_line(name, NAME_CHARACTERS_MAX)
            except ValueError as error:
                wrong.append(FieldError("name_in", str(error)))
    if wrong:
        raise Invalid(wrong)
    return {tag: stored[tag] for tag in tags if tag in stored}


def read_name_options(entries: Iterable[str]) -> dict[str, str]:
    """Return names by language tag: `["zh-Hant=茶點套餐"]` as `{"zh-Hant": "茶點套餐"}`. Without a name, it is removed.

    Raises:
        Invalid: an entry has another form.
    """
    parts = [entry.partition("=") for entry in entries]
    if any(not equals for _tag, equals, _name in parts):
        raise Invalid([FieldError("name_in", field_text("product.name_option"))])
    return {cleaned(tag): name for tag, _equals, name in parts}
