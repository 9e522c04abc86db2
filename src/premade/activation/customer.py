"""The rules of customer details. Each function returns the value as it is stored."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import email_validator
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from premade.activation.trunk_prefix import TrunkPrefixUnclear, without_trunk_prefix
from premade.orders import erased_customer
from premade.texts.fields import field_text
from premade.values.digest import request_digest
from premade.values.texts import cleaned, described, odd_character, one_line, reference, without_invisible

NAME_CHARACTERS_MAX = 200
EMAIL_OCTETS_MAX = 254
"""RFC 5321, 4.5.3.1.3 (256 with the angle brackets), in UTF-8 (RFC 6531)."""
EMAIL_LOCAL_OCTETS_MAX = 64
"""The part before the '@': RFC 5321, 4.5.3.1.1."""
PAYMENT_REFERENCE_CHARACTERS_MAX = 128
PHONE_FILLERS = " -.()/"
"""Characters that people write between digits. Blanks and dashes of other scripts and invisible characters are dropped too."""
PHONE_DIGITS_MAX = 15
"""ITU-T E.164."""
_AS_FILLER = str.maketrans({"\uff08": "(", "\uff09": ")", "\u2212": "-"})
_DROPPED = str.maketrans("", "", PHONE_FILLERS)
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
_OF_A_PHONE = re.compile(r"[+0-9 .()/-]")
_EXTENSION = re.compile(
    r"(?:;?\s*ext(?:ension|n)?\b|;|x|#|,|\bDW\b|\u0434\u043e\u0431)[\s.:=]*[0-9]*\D*$", re.IGNORECASE
)
# Country calling codes have one to three digits.
_CALLING_CODES = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))
# Addresses that email_validator would return unchanged. This check takes a tenth of the time. The library checks all other
# addresses.
_PLAIN_LABEL = "[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]|[a-z0-9]"
_PLAIN_EMAIL = re.compile(
    rf"(?=[^@]{{1,{EMAIL_LOCAL_OCTETS_MAX}}}@)[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:(?:{_PLAIN_LABEL})\.)+[a-z]{{2,63}}",
    re.ASCII,
)
_SPECIAL_USE_DOMAINS = tuple(
    before + domain for domain in email_validator.SPECIAL_USE_DOMAIN_NAMES for before in ("@", ".")
)


def name(text: str) -> str:
    """Return a name of any script as it is stored.

    Raises:
        ValueError: it is not a name; the message says why.
    """
    return one_line(text, NAME_CHARACTERS_MAX)


def email(text: str) -> str:
    """Return an address by RFC 5321 and 6531 as it is stored: its domain in lower case and in Unicode.

    Raises:
        ValueError: it is not an address; the message says why.
    """
    if (
        len(text) <= EMAIL_OCTETS_MAX
        and _PLAIN_EMAIL.fullmatch(text)
        and not text.endswith(_SPECIAL_USE_DOMAINS)
    ):
        return text
    for character in text.strip():
        if unicodedata.category(character) == "Cc":
            raise ValueError(field_text("customer.email_character", character=described(character)))
    text = cleaned(text)
    _check_octets(text)
    try:
        address = email_validator.validate_email(text, check_deliverability=False, allow_quoted_local=True)
    except email_validator.EmailNotValidError as error:
        raise ValueError(field_text("customer.email", why=error)) from None
    _check_octets(address.normalized)
    # Mail to a domain in another script goes to its ASCII form (RFC 5891), which has the same limits.
    _check_octets(f"{address.local_part}@{address.ascii_domain}")
    return address.normalized


def _check_octets(address: str) -> None:
    local = address.rpartition("@")[0]
    if len(local.encode()) > EMAIL_LOCAL_OCTETS_MAX:
        raise ValueError(field_text("customer.email_local_octets", octets_max=EMAIL_LOCAL_OCTETS_MAX))
    if len(address.encode()) > EMAIL_OCTETS_MAX:
        raise ValueError(field_text("customer.email_octets", octets_max=EMAIL_OCTETS_MAX))


def phone(text: str) -> str:
    """Return a number in E.164: `+`, a country calling code that exists, 7 to 15 digits.

    The trunk prefix of a country, as in `+44 (0)20`, is removed.

    Raises:
        ValueError: it is not a number; the message says why.
    """
    bare = text.translate(_DROPPED)
    if not _PHONE.fullmatch(bare):
        text = _with_plain_fillers(text)
        bare = text.translate(_DROPPED)
        if not _PHONE.fullmatch(bare):
            raise ValueError(_no_phone(text))
    code = next((bare[1:end] for end in (2, 3, 4) if bare[1:end] in _CALLING_CODES), None)
    if code is None:
        raise ValueError(field_text("customer.calling_code"))
    try:
        number = f"+{code}{without_trunk_prefix(code, text, bare[1 + len(code) :])}"
    except TrunkPrefixUnclear as unclear:
        raise ValueError(str(unclear)) from None
    if not _PHONE.fullmatch(number):
        raise ValueError(_no_phone(text))
    return number


def national_digits(text: str) -> str:
    """Return the digits of a number that somebody typed without a country code, or "" if it is not a number."""
    bare = _with_plain_fillers(text).translate(_DROPPED)
    return bare if bare.isascii() and bare.isdigit() and len(bare) <= PHONE_DIGITS_MAX else ""


def _with_plain_fillers(text: str) -> str:
    """Drop invisible characters; replace blanks and dashes of other scripts by a plain blank or hyphen."""
    return "".join(_plain_filler(each) for each in without_invisible(text).strip().translate(_AS_FILLER))


def _plain_filler(character: str) -> str:
    if character.isascii():
        return character
    return {"Zs": " ", "Pd": "-"}.get(unicodedata.category(character), character)


def _no_phone(text: str) -> str:
    if extension := _EXTENSION.search(text):
        return field_text("customer.phone_extension", extension=extension[0].strip())
    if odd := odd_character(text, _OF_A_PHONE):
        return field_text("customer.phone_character", position=odd[0], character=odd[1])
    return field_text("customer.phone")


@dataclass(frozen=True)
class StoredCustomer:
    """Customer and payment reference of an order as stored, maybe by an older version that normalized less."""

    name: str
    email: str
    phone: str
    payment_reference: str
    erased_at: datetime | None


def anonymous_digests(tickets: Sequence[Any], payment_reference: str) -> tuple[bytes, bytes]:
    """Return the digests of a request without its customer: with its payment reference, and without it.

    They recognize a retry after the customer of its order was erased. The second one is for an order whose reference was
    erased too. `tickets` is the part of a digest that names the tickets.
    """
    named = list(tickets)
    return request_digest(named, payment_reference), request_digest(named)


def normalized_digest(tickets: Sequence[Any], stored: StoredCustomer) -> bytes | None:
    """Return the digest that an order's request has in this version, or None if its text is no longer valid.

    `tickets` is the part of the digest that names the tickets.
    """
    if stored.erased_at is not None:
        with_reference, without = anonymous_digests(tickets, stored.payment_reference)
        return without if stored.payment_reference == erased_customer.PAYMENT_REFERENCE else with_reference
    try:
        return request_digest(
            *tickets,
            name(stored.name),
            email(stored.email),
            phone(stored.phone),
            payment_reference(stored.payment_reference),
        )
    except ValueError:
        return None


def payment_reference(text: str) -> str:
    """Return the partner's reference of a payment as it is stored.

    Raises:
        ValueError: it is not valid; the message says why.
    """
    return reference(text, PAYMENT_REFERENCE_CHARACTERS_MAX)
