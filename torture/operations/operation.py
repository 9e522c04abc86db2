"""The registry of the kinds of requests. A new kind is one function for its request and one for its response."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from torture.journal import Request
from torture.knowledge import Knowledge


@dataclass(frozen=True)
class Draft:
    """A request that is not sent yet."""

    method: str
    path: str
    body: dict[str, Any] | None = None


Build = Callable[[Knowledge, random.Random, str], Draft | None]
"""From what the partner knows, a source of chance, and the key. None: nothing is known yet that it could be about."""
Learn = Callable[[Knowledge, Request, dict[str, Any]], None]
Condense = Callable[[bytes], dict[str, Any]]
"""From the content of a successful response to what the journal keeps."""


@dataclass(frozen=True)
class Operation:
    """A kind of request."""

    name: str
    weight: int
    """How often it is chosen, in proportion to the others."""
    build: Build
    learn: Learn
    condense: Condense
    is_read: bool
    """Whether it leaves no row with its key."""


OPERATIONS: dict[str, Operation] = {}


def without_pictures(content: bytes) -> dict[str, Any]:
    """Return the JSON of a response without the pictures of QR codes, which a token says in a tenth of the bytes."""
    document = orjson.loads(content)
    for each in [document, *document.get("tickets", [])]:
        each.pop("qr_code", None)
    return document


def learn_nothing(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    """Ignore the response."""
    del known, request, body


def operation(
    weight: int,
    learn: Learn = learn_nothing,
    condense: Condense = without_pictures,
    *,
    is_read: bool = False,
) -> Callable[[Build], Build]:
    """Register the function that builds the requests of a kind, under its name."""

    def register(build: Build) -> Build:
        name = build.__name__
        OPERATIONS[name] = Operation(name, weight, build, learn, condense, is_read)
        return build

    return register


def new_key(choice: random.Random) -> str:
    """Return a UUID from this source of chance."""
    return str(UUID(int=choice.getrandbits(128), version=4))


def choose(
    known: Knowledge, choice: random.Random, key: str, names: Sequence[str]
) -> tuple[Operation, Draft]:
    """Choose one of these operations that is possible now, by weight. At least one must be possible."""
    weights = [OPERATIONS[name].weight for name in names]
    while True:
        [name] = choice.choices(names, weights)
        chosen = OPERATIONS[name]
        if draft := chosen.build(known, choice, key):
            return chosen, draft
