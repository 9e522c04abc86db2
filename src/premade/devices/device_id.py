"""The names of devices and of their scans. Pure."""

import re

from premade.texts.fields import field_text

NAME_PATTERN = r"[A-Za-z0-9._:-]{1,64}"
_NAME = re.compile(NAME_PATTERN)


def name_of_device_or_scan(text: str) -> str:
    """Return the text if it has the form of a device_id or scan_id. Raises ValueError otherwise."""
    if not _NAME.fullmatch(text):
        raise ValueError(field_text("gate.name"))
    return text
