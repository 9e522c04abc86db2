"""Batch ids and states of batches."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from premade.runtime.errors import NotFound
from premade.texts.fields import field_text
from premade.values.texts import odd_character

BATCH_ID_CHARACTERS_MAX = 64
BATCH_ID_PATTERN = "[A-Za-z0-9._:-]{1,64}"
NEW_BATCH_ID_PATTERN = "[A-Za-z0-9._:-]*[A-Za-z0-9_:-][A-Za-z0-9._:-]*"
"""Not only dots: a URL path cannot have a segment '.' or '..' (RFC 3986, 5.2.4). Older batches may have such ids."""
_BATCH_ID = re.compile(BATCH_ID_PATTERN)
_NEW_BATCH_ID = re.compile(NEW_BATCH_ID_PATTERN)
_CHARACTER = re.compile("[A-Za-z0-9._:-]")


class BatchStatus(StrEnum):
    """State of the generation of a batch: docs/states.md."""

    MAKING = "MAKING"
    MADE = "MADE"
    STOPPED = "STOPPED"


@dataclass(eq=False)
class BatchUnknown(NotFound):
    """No batch has this id, or it belongs to another partner."""

    code = "BATCH_UNKNOWN"

    reason: Literal["malformed", "unknown"]
    batch_id: str


def is_batch_id(text: str) -> bool:
    """Return whether the text has the form of a batch id."""
    return _BATCH_ID.fullmatch(text) is not None


def checked_batch_id(text: str) -> str:
    """Return the batch id.

    Raises:
        ValueError: the text has not the form of a batch id.
    """
    if not is_batch_id(text):
        if odd := odd_character(text, _CHARACTER):
            raise ValueError(field_text("batch.id_character", position=odd[0], character=odd[1]))
        raise ValueError(field_text("batch.id"))
    return text


def checked_new_batch_id(text: str) -> str:
    """Return the id of a new batch.

    Raises:
        ValueError: a new batch cannot have this id.
    """
    if not _NEW_BATCH_ID.fullmatch(checked_batch_id(text)):
        raise ValueError(field_text("batch.id_of_dots"))
    return text


def batch_unknown(batch_id: str) -> BatchUnknown:
    """Return the error. It is the same for an id that does not exist and for another partner's."""
    return BatchUnknown("unknown" if is_batch_id(batch_id) else "malformed", batch_id)


def batch_status(to_make: int, unmade: int) -> BatchStatus:
    """Return the state of a batch with `to_make` tickets still to generate and `unmade` that never will be."""
    if to_make:
        return BatchStatus.MAKING
    return BatchStatus.STOPPED if unmade else BatchStatus.MADE
