"""Content negotiation: Accept and Accept-Encoding (RFC 9110, 12)."""

import re

from starlette.types import Scope

# A quality is 0 to 1 with at most three decimals.
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)


def _qualities(header: str) -> dict[str, float]:
    """Return each member of the list with its quality; 1 by default."""
    qualities: dict[str, float] = {}
    for member in header.split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        weights = [weight[1] for parameter in parameters if (weight := _QUALITY.fullmatch(parameter))]
        if name:
            qualities[name.lower()] = float(weights[0]) if weights else 1.0
    return qualities


def preferred(accept: str | None, offered: list[str]) -> str | None:
    """Return the offered media type that the client prefers (the first of equals), or None if it accepts none."""
    if accept is None:
        return offered[0]
    qualities = _qualities(accept)

    def quality(media_type: str) -> float:
        kind = media_type.partition("/")[0]
        # The most specific pattern decides, even if it excludes the type.
        for pattern in (media_type, f"{kind}/*", "*/*"):
            if pattern in qualities:
                return qualities[pattern]
        return 0.0

    best = max(offered, key=quality)
    return best if quality(best) > 0 else None


def takes_gzip(accept_encoding: str | None, *, default: bool) -> bool:
    """Return whether to send gzip (RFC 9110, 12.5.3). `default`: the result for a client without Accept-Encoding.

    A client that accepts neither gzip nor identity gets identity: its header is then ignored, as section 12.1 allows.
    """
    if accept_encoding is None:
        return default
    qualities = _qualities(accept_encoding)
    others = qualities.get("*")
    gzip = max((qualities[name] for name in ("gzip", "x-gzip") if name in qualities), default=others or 0.0)
    # identity is acceptable unless it or '*' is excluded; any coding that is named is preferred.
    plain = qualities.get("identity", 0.0 if others is None else others)
    return gzip > 0 and gzip >= plain


def header_list(scope: Scope, name: bytes) -> str | None:
    """Return all values of a header as one list (RFC 9110, 5.3), or None if it was not sent."""
    values = [value.decode("latin-1") for header, value in scope["headers"] if header == name]
    return ", ".join(values) if values else None
