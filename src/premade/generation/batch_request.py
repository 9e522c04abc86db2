"""The request for a batch."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import orjson

from premade.texts.fields import field_text
from premade.values.digest import request_digest
from premade.values.texts import composed

METADATA_BYTES_MAX = 4096


@dataclass(frozen=True)
class BatchRequest:
    """A request to generate a batch. `valid_until` is the last day of sale."""

    product_id: int
    quantity: int
    batch_id: str
    valid_until: date | None = None
    metadata: dict[str, Any] | None = None
    reservation_id: str | None = None
    idempotency_key: str | None = None
    is_large: bool = False
    """The operator generates it in many transactions."""

    @cached_property
    def digests(self) -> tuple[bytes, ...]:
        """SHA-256 of the normalized request: equal for two spellings of one request.

        The second digest is that of older versions, which did not compose the metadata (Unicode NFC).
        """
        return self._digest_with(composed(self.metadata)), self._digest_with(self.metadata)

    def _digest_with(self, metadata: object) -> bytes:
        """Include newer members only if they are given, so that a retry after an upgrade is still recognised."""
        members = [self.product_id, self.quantity, self.batch_id, self.valid_until, metadata]
        if self.reservation_id is not None:
            members.append(self.reservation_id)
        if self.is_large:
            members.append("large")
        return request_digest(*members)


def checked_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return the metadata.

    Raises:
        ValueError: it is larger than METADATA_BYTES_MAX as JSON.
    """
    size = len(orjson.dumps(metadata))
    if size > METADATA_BYTES_MAX:
        raise ValueError(field_text("batch.metadata", bytes_max=METADATA_BYTES_MAX, bytes=size))
    return metadata
