"""Ticket codes, order ids and QR tokens.

A code is `CRUISE-2025-FERRY-1762274285982`. It can be guessed, so a code alone opens no gate: the QR image
holds a token that carries a signature, `PM1:<ticket_code>:<issue number>:<key id>:<signature>`.
"""

import base64
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import base45  # pyright: ignore[reportMissingTypeStubs]
from nacl.encoding import RawEncoder
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from premade.texts.commands import command_text

TOKEN_VERSION = "PM1"  # noqa: S105  (the name of a format)
SIGNATURE_ALGORITHM = "Ed25519"
PUBLIC_KEY_BYTES = 32
ISSUE_NUMBER_MAX = 999
CODES_A_SECOND = 1_000
"""The logical clock issues a code for each millisecond."""
KEY_LETTER, TEST_KEY_LETTER = "K", "T"
"""The first letter of a signing key's id: K signs live tickets, T those of test partners."""
_TICKET_CODE = re.compile(r"[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}")
_ORDER_ID = re.compile(r"ORD-[0-9]{13}")
_SIGNATURE_BYTES = 64
_SIGNATURE_CHARACTERS = 96
# Each part has exactly one spelling, so two tokens with the same content are the same text.
_TOKEN = re.compile(
    rf"{TOKEN_VERSION}:(?P<code>{_TICKET_CODE.pattern}):(?P<issue>[1-9][0-9]{{0,2}}):(?P<key>[{KEY_LETTER}{TEST_KEY_LETTER}][1-9][0-9]{{0,2}})"
    rf":[0-9A-Z $%*+\-./:]{{{_SIGNATURE_CHARACTERS}}}"
)
# A code without its hyphens still has only one reading.
_BARE_TICKET_CODE = re.compile(r"([A-Z]{2,12})([0-9]{4})([A-Z]{2,12})([0-9]{13})")
_BARE_ORDER_ID = re.compile(r"(ORD)([0-9]{13})")
_TYPED_CHARACTERS_MAX = 200
_INVISIBLE = {"Cc", "Cf", "Zs", "Zl", "Zp"}
"""Categories of Unicode."""
_DASHES = {"Pd", "\u2212"}
"""The category of dashes, and the minus sign, which is not in it."""
_SYMBOLOGY_IDENTIFIER = re.compile(r"\][Qq][0-6]")


def ticket_code(prefix: str, year: int, ticket_type: str, logical_ms: int) -> str:
    """`CRUISE-2025-FERRY-1762274285982`."""
    return f"{prefix}-{year:04d}-{ticket_type}-{logical_ms:013d}"


def is_ticket_code(text: str) -> bool:
    """Return whether the text has the form of a ticket code."""
    return _TICKET_CODE.fullmatch(text) is not None


def possible_code(text: str) -> str:
    """Return the text, or "" if it is no ticket code. PostgreSQL refuses some texts, such as one with a NUL."""
    return text if is_ticket_code(text) else ""


def fold_ticket_code(text: str) -> str | None:
    """Return the ticket code in a text that somebody typed or pasted, or None.

    Small letters, blanks, invisible characters, other dashes and missing hyphens are accepted: no two codes become one.
    """
    return _folded(text, _BARE_TICKET_CODE)


def fold_order_id(text: str) -> str | None:
    """Return the order id in a text that somebody typed or pasted, or None. See `fold_ticket_code`."""
    return _folded(text, _BARE_ORDER_ID)


def _folded(text: str, form: re.Pattern[str]) -> str | None:
    if len(text) > _TYPED_CHARACTERS_MAX:
        return None
    # NFKC turns full-width digits and letters of East Asian keyboards into ASCII.
    bare = "".join(
        character
        for character in unicodedata.normalize("NFKC", text)
        if unicodedata.category(character) not in _INVISIBLE | _DASHES and character not in _DASHES
    )
    parts = form.fullmatch(bare.upper()) if bare.isascii() else None
    return "-".join(parts.groups()) if parts else None


def fold_token(text: str) -> str:
    """Return the text that a scanner read, without what scanners add to a QR token.

    That is: blanks, line ends, tabs and control characters around it, the symbology identifier `]Q1` before it
    (ISO/IEC 15424), and small letters where caps lock was on. A token has no small letter and does not end in a
    blank, so nothing of a genuine one is lost.
    """
    bare = _without_edges(text)
    if identifier := _SYMBOLOGY_IDENTIFIER.match(bare):
        bare = _without_edges(bare[identifier.end() :])
    return bare.upper() if bare.isascii() else bare


def _without_edges(text: str) -> str:
    start, end = 0, len(text)
    while start < end and unicodedata.category(text[start]) in _INVISIBLE:
        start += 1
    while end > start and unicodedata.category(text[end - 1]) in _INVISIBLE:
        end -= 1
    return text[start:end]


def is_order_id(text: str) -> bool:
    """Return whether the text has the form of an order id."""
    return _ORDER_ID.fullmatch(text) is not None


def key_letter(*, is_test: bool) -> str:
    """Return the first letter of the ids of the signing keys for live or for test tickets."""
    return TEST_KEY_LETTER if is_test else KEY_LETTER


def is_test_key(key_id: str) -> bool:
    """Return whether this signing key signs only tickets of test partners."""
    return key_id.startswith(TEST_KEY_LETTER)


def stored_token(qr_code: str) -> str:
    """Return the token in the column `qr_code`, which is base64."""
    return base64.b64decode(qr_code).decode()


@dataclass(frozen=True)
class Signer:
    """A key that signs QR tokens (Ed25519, RFC 8032)."""

    key_id: str
    key: SigningKey

    @classmethod
    def of(cls, key_id: str, seed: bytes) -> "Signer":
        """Return the signer of a key with this seed of 32 bytes."""
        return cls(key_id, SigningKey(seed))

    def token(self, code: str, issue_number: int) -> str:
        """Return the signed text of the QR."""
        signed = f"{TOKEN_VERSION}:{code}:{issue_number}:{self.key_id}"
        signature = self.key.sign(signed.encode(), encoder=RawEncoder).signature
        return f"{signed}:{base45.b45encode(signature).decode()}"


@dataclass(frozen=True)
class Token:
    """Content of a QR token."""

    ticket_code: str
    issue_number: int
    key_id: str


class TokenFault(StrEnum):
    """The first check that a token fails, in this order."""

    MALFORMED = "MALFORMED"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    SIGNATURE_MALFORMED = "SIGNATURE_MALFORMED"
    SIGNATURE_WRONG = "SIGNATURE_WRONG"


class TokenRefused(Exception):
    """The token is not valid; the message says why in a sentence."""

    def __init__(self, fault: TokenFault, why: str) -> None:
        super().__init__(why)
        self.fault = fault


def split_token(text: str) -> Token | None:
    """Return the content of a text in the form of a token, without checking it."""
    parts = _TOKEN.fullmatch(text)
    return Token(parts["code"], int(parts["issue"]), parts["key"]) if parts else None


def check_token(text: str, public_keys: Mapping[str, bytes]) -> Token:
    """Check a token by the rules of docs/qr-token.md, and return its content.

    Raises:
        TokenRefused: the token is not valid.
    """
    token = split_token(text)
    if token is None:
        why = command_text("TOKEN", "not_a_token", version=TOKEN_VERSION, characters=_SIGNATURE_CHARACTERS)
        raise TokenRefused(TokenFault.MALFORMED, why)
    if token.key_id not in public_keys:
        why = command_text("TOKEN", "key_unknown", key_id=token.key_id)
        raise TokenRefused(TokenFault.KEY_UNKNOWN, why)
    signed, encoded = text[: -_SIGNATURE_CHARACTERS - 1], text[-_SIGNATURE_CHARACTERS:]
    try:
        signature = base45.b45decode(encoded)
    except ValueError:
        signature = b""
    if len(signature) != _SIGNATURE_BYTES:
        why = command_text("TOKEN", "signature_malformed", bytes=_SIGNATURE_BYTES)
        raise TokenRefused(TokenFault.SIGNATURE_MALFORMED, why)
    try:
        VerifyKey(public_keys[token.key_id]).verify(signed.encode(), signature)
    except (ValueError, BadSignatureError):
        why = command_text("TOKEN", "signature_wrong", key_id=token.key_id)
        raise TokenRefused(TokenFault.SIGNATURE_WRONG, why) from None
    return token


def read_token(text: str, public_keys: Mapping[str, bytes]) -> Token | None:
    """Return the content of the token, or None if its form, its key or its signature is wrong."""
    try:
        return check_token(text, public_keys)
    except TokenRefused:
        return None
