"""Reads of a partner: the tickets of a batch, as a list and as an export."""

import random
from typing import Any

import orjson

from torture.knowledge import Knowledge
from torture.operations.operation import Draft, operation

PAGE_MAX = 100


def _tickets(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return state and order by ticket code."""
    return {"tickets": {row["ticket_code"]: [row["status"], row["order_id"]] for row in rows}}


def _page(content: bytes) -> dict[str, Any]:
    return _tickets(orjson.loads(content)["items"])


def _lines(content: bytes) -> dict[str, Any]:
    return _tickets([orjson.loads(line) for line in content.splitlines()])


@operation(4, condense=_page, is_read=True)
def list_tickets(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    batch_id = known.any_batch(choice)
    return (
        None if batch_id is None else Draft("GET", f"/api/ota/tickets?batch_id={batch_id}&limit={PAGE_MAX}")
    )


@operation(2, condense=_lines, is_read=True)
def export(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    batch_id = known.any_batch(choice)
    return None if batch_id is None else Draft("GET", f"/api/ota/batches/{batch_id}/tickets.jsonl")
