"""Trunk prefix: the zero that is dialled only within a country, as in `+44 (0)20 7946 0018`."""

import re
from functools import cache

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

from premade.texts.fields import field_text

_NOT_GEOGRAPHIC = "001"
_IN_BRACKETS = re.compile(r"\(\s*(0|06|8)\s*\)")
"""The trunk prefixes of all countries that have one, other than the 1 of North America, which nobody puts in brackets."""


class TrunkPrefixUnclear(Exception):
    """It is unclear whether digits in brackets belong to the number; the message says how to write it."""


def without_trunk_prefix(calling_code: str, text: str, national: str) -> str:
    """Return the national part of a number as it is dialled from abroad.

    `text` is the whole number as it was written, `national` its digits after the calling code. Some countries, such as
    Italy, have numbers that begin with 0 from abroad too: there the zero stays.

    Raises:
        TrunkPrefixUnclear: digits in brackets that the country's numbering plan does not explain.
    """
    bracketed = _IN_BRACKETS.search(text)
    if bracketed is None and not national.startswith("0"):
        return national
    prefix, is_number = _numbering_plan(calling_code)
    if bracketed is not None:
        return _without_bracketed(bracketed[1], national, prefix, is_number)
    if prefix == "0" and not is_number.fullmatch(national):
        return national.lstrip("0")
    return national


def _without_bracketed(digits: str, national: str, prefix: str | None, is_number: re.Pattern[str]) -> str:
    if not national.startswith(digits):
        raise TrunkPrefixUnclear(field_text("customer.trunk_prefix_within", digits=digits))
    rest = national.removeprefix(digits)
    is_with, is_without = bool(is_number.fullmatch(national)), bool(is_number.fullmatch(rest))
    if digits == prefix == "0":
        return rest.lstrip("0")
    if digits == prefix or (is_without and not is_with):
        return rest
    if is_with and not is_without:
        return national
    raise TrunkPrefixUnclear(field_text("customer.trunk_prefix_unclear", digits=digits))


@cache
def _numbering_plan(calling_code: str) -> tuple[str | None, re.Pattern[str]]:
    """Return the country's trunk prefix, and the pattern of its numbers as dialled from abroad."""
    region = COUNTRY_CODE_TO_REGION_CODE[int(calling_code)][0]
    metadata = (
        PhoneMetadata.metadata_for_nongeo_region(int(calling_code))
        if region == _NOT_GEOGRAPHIC
        else PhoneMetadata.metadata_for_region(region)
    )
    pattern = metadata.general_desc.national_number_pattern if metadata and metadata.general_desc else None
    return metadata.national_prefix if metadata else None, re.compile(pattern or "(?!)")
