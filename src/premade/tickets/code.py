"""Ticket codes, order ids and QR tokens. Pure.

A code is `CRUISE-2025-FERRY-1762274285982`. It can be guessed, so a code alone opens no gate: the QR image
holds a token that carries a signature, `PM1:<ticket_code>:<issue number>:<key id>:<signature>`.
"""

import re
from dataclasses import dataclass

import base45  # pyright: ignore[reportMissingTypeStubs]
from nacl.encoding import RawEncoder
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

TOKEN_VERSION = "PM1"  # noqa: S105  (the name of a format)
ISSUE_NUMBER_MAX = 999
_TICKET_CODE = re.compile(r"[A-Z]{2,12}-[0-9]{4}-[A-Z]{2,12}-[0-9]{13}")
_ORDER_ID = re.compile(r"ORD-[0-9]{13}")
_BATCH_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SIGNED_FIELDS = 4
_SIGNATURE_BYTES = 64


def ticket_code(prefix: str, year: int, ticket_type: str, logical_ms: int) -> str:
    """`CRUISE-2025-FERRY-1762274285982`."""
    return f"{prefix}-{year:04d}-{ticket_type}-{logical_ms:013d}"


def is_ticket_code(text: str) -> bool:
    """Whether a ticket could have this code."""
    return _TICKET_CODE.fullmatch(text) is not None


def is_order_id(text: str) -> bool:
    """Whether an order could have this id."""
    return _ORDER_ID.fullmatch(text) is not None


def is_batch_id(text: str) -> bool:
    """Whether a batch could have this id."""
    return _BATCH_ID.fullmatch(text) is not None


@dataclass(frozen=True)
class Signer:
    """A key that signs QR tokens (Ed25519, RFC 8032)."""

    key_id: str
    key: SigningKey

    @classmethod
    def of(cls, key_id: str, seed: bytes) -> "Signer":
        """From the 32 bytes of a seed."""
        return cls(key_id, SigningKey(seed))

    def token(self, code: str, issue_number: int) -> str:
        """The text inside the QR image."""
        signed = f"{TOKEN_VERSION}:{code}:{issue_number}:{self.key_id}"
        signature = self.key.sign(signed.encode(), encoder=RawEncoder).signature
        return f"{signed}:{base45.b45encode(signature).decode()}"


@dataclass(frozen=True)
class Token:
    """What a QR token says, its signature having been checked."""

    ticket_code: str
    issue_number: int
    key_id: str


def read_token(text: str, public_keys: dict[str, bytes]) -> Token | None:
    """The token, or None when its form, its key or its signature is not right."""
    # The signature's own alphabet has the separator in it, so only the first four count.
    fields = text.split(":", _SIGNED_FIELDS)
    if len(fields) != _SIGNED_FIELDS + 1 or fields[0] != TOKEN_VERSION or fields[3] not in public_keys:
        return None
    _, code, issue, key_id, encoded = fields
    if not (is_ticket_code(code) and re.fullmatch(r"[1-9][0-9]{0,2}", issue)):
        return None
    try:
        signature = base45.b45decode(encoded)
        if len(signature) != _SIGNATURE_BYTES or base45.b45encode(signature).decode() != encoded:
            return None
        VerifyKey(public_keys[key_id]).verify(":".join(fields[:_SIGNED_FIELDS]).encode(), signature)
    except (ValueError, BadSignatureError):
        return None
    return Token(code, int(issue), key_id)
