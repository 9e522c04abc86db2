"""What makes two requests the same one."""

import hashlib
from typing import Any

import orjson


def request_digest(*asked: Any) -> bytes:
    """SHA-256 of what is asked for, normalised: whatever the order of an object's members."""
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).digest()
