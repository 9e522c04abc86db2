"""What must be true of a customer's details. Pure; each function answers the value as it is kept."""

import re
import unicodedata

import email_validator
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

NAME_CHARACTERS_MAX = 200
EMAIL_CHARACTERS_MAX = 254
PAYMENT_REFERENCE_CHARACTERS_MAX = 128
_PHONE_FILLERS = str.maketrans("", "", " -.()")
_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")
# Of one to three digits.
_CALLING_CODES = frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))
# Addresses that email_validator takes as they are: nothing in them is to be normalised. The check by this is
# a tenth of the price; what it does not match is left to the library.
_PLAIN_LABEL = "[a-z0-9](?:[a-z0-9]|-(?!-)){0,61}[a-z0-9]|[a-z0-9]"
_PLAIN_EMAIL = re.compile(
    rf"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:(?:{_PLAIN_LABEL})\.)+[a-z]{{2,63}}", re.ASCII
)
_SPECIAL_USE_DOMAINS = tuple(
    before + domain for domain in email_validator.SPECIAL_USE_DOMAIN_NAMES for before in ("@", ".")
)
# Control characters, and the line and paragraph separators: a name stands on one line.
_NOT_IN_A_NAME = {"Cc", "Zl", "Zp"}


def name(text: str) -> str:
    """1 to 200 characters of any script. ValueError otherwise."""
    if not text.strip() or len(text) > NAME_CHARACTERS_MAX:
        message = f"Must be 1 to {NAME_CHARACTERS_MAX} characters, not only blanks"
        raise ValueError(message)
    # What is printable has none of these; the blanks of other scripts are not, and allowed.
    if not text.isprintable() and any(
        unicodedata.category(character) in _NOT_IN_A_NAME for character in text
    ):
        message = "Must not contain control characters or line breaks"
        raise ValueError(message)
    return text


def email(text: str) -> str:
    """An address by RFC 5321 and 6531, its domain in lower case. ValueError otherwise."""
    if len(text) > EMAIL_CHARACTERS_MAX:
        message = f"Must be at most {EMAIL_CHARACTERS_MAX} characters"
        raise ValueError(message)
    if _PLAIN_EMAIL.fullmatch(text) and not text.endswith(_SPECIAL_USE_DOMAINS):
        return text
    try:
        normalized = email_validator.validate_email(text, check_deliverability=False).normalized
    except email_validator.EmailNotValidError as error:
        message = f"Must be an e-mail address, such as john.smith@example.com. {error}"
        raise ValueError(message) from None
    if len(normalized) > EMAIL_CHARACTERS_MAX:
        message = f"Must be at most {EMAIL_CHARACTERS_MAX} characters"
        raise ValueError(message)
    return normalized


def phone(text: str) -> str:
    """A number in E.164: `+`, a country calling code that exists, 7 to 15 digits. ValueError otherwise."""
    bare = text.translate(_PHONE_FILLERS)
    if not _PHONE.fullmatch(bare):
        message = "Must be '+' and 7 to 15 digits with the country code, such as +1234567890"
        raise ValueError(message)
    if _CALLING_CODES.isdisjoint((bare[1:2], bare[1:3], bare[1:4])):
        message = "Must begin with a country calling code that exists, such as +852"
        raise ValueError(message)
    return bare


def payment_reference(text: str) -> str:
    """1 to 128 printable characters. ValueError otherwise."""
    if not text.strip() or len(text) > PAYMENT_REFERENCE_CHARACTERS_MAX or not text.isprintable():
        message = f"Must be 1 to {PAYMENT_REFERENCE_CHARACTERS_MAX} printable characters, not only blanks"
        raise ValueError(message)
    return text
