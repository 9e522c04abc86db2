"""The digest of a request, by which a retry is recognized."""

import hashlib
from typing import Any

import orjson


def request_digest(*values: Any) -> bytes:
    """Return the SHA-256 of the values of a request. The order of an object's members makes no difference."""
    return hashlib.sha256(orjson.dumps(values, option=orjson.OPT_SORT_KEYS)).digest()
