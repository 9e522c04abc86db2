"""What a client says that it takes: Accept and Accept-Encoding, by RFC 9110. Pure."""

import re

# A quality is 0 to 1 with at most three decimals.
_QUALITY = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.IGNORECASE | re.ASCII)


def _qualities(header: str) -> dict[str, float]:
    """Each member of the list with its quality, 1 where none is said."""
    qualities: dict[str, float] = {}
    for member in header.split(","):
        name, *parameters = (part.strip() for part in member.split(";"))
        said = [found[1] for parameter in parameters if (found := _QUALITY.fullmatch(parameter))]
        if name:
            qualities[name.lower()] = float(said[0]) if said else 1.0
    return qualities


def preferred(accept: str | None, offered: list[str]) -> str | None:
    """Of the media types offered the one that the client likes best, the first of equals. None: it takes none."""
    if accept is None:
        return offered[0]
    qualities = _qualities(accept)

    def quality(media_type: str) -> float:
        kind = media_type.partition("/")[0]
        # The most specific counts, also where it says no.
        for pattern in (media_type, f"{kind}/*", "*/*"):
            if pattern in qualities:
                return qualities[pattern]
        return 0.0

    best = max(offered, key=quality)
    return best if quality(best) > 0 else None


def takes_gzip(accept_encoding: str | None) -> bool:
    """Whether gzip was asked for. Who says nothing gets what can be saved as it comes."""
    return accept_encoding is not None and _qualities(accept_encoding).get("gzip", 0.0) > 0
