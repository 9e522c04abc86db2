"""The public keys as the JSON of `/.well-known/premade-keys.json`."""

import base64
from collections.abc import Iterable
from typing import Any

import orjson

from premade.runtime.clock import rfc3339
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.tickets.code import PUBLIC_KEY_BYTES, SIGNATURE_ALGORITHM
from premade.tickets.signing import PublicKey


def base64url(raw: bytes) -> str:
    """Return the bytes in base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def key_file(keys: Iterable[PublicKey]) -> dict[str, Any]:
    """Return the keys that are not retired, as a scanner fetches them."""
    members = [
        {
            "key_id": key.key_id,
            "algorithm": SIGNATURE_ALGORITHM,
            "public_key": base64url(key.public_key),
            "created_at": rfc3339(key.created_at),
            "current": key.is_current,
            "test": key.is_test,
        }
        for key in keys
        if key.retired_at is None
    ]
    return {"keys": members}


def read_key_file(raw: bytes) -> dict[str, bytes]:
    """Return the public keys by id.

    Raises:
        Invalid: the text is not such a file.
    """
    try:
        return {key["key_id"]: _public_key(key["public_key"]) for key in orjson.loads(raw)["keys"]}
    except (ValueError, TypeError, KeyError):
        raise Invalid([FieldError("keys", field_text("gate.key_file"))]) from None


def _public_key(text: str) -> bytes:
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if len(raw) != PUBLIC_KEY_BYTES:
        raise ValueError
    return raw
