"""The kinds of writes that clients send. A new kind is one function for its request and one for its response."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from torture.journal import Request
from torture.knowledge import Knowledge

BATCH_MAX = 20
DRAW_MAX = 4
ORDER_MAX = 3
RESERVE_MAX = 15
CUSTOMER = {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"}


@dataclass(frozen=True)
class Draft:
    """A request that is not sent yet."""

    method: str
    path: str
    body: dict[str, Any] | None = None


Build = Callable[[Knowledge, random.Random, str], Draft | None]
"""From what the partner knows, a source of chance, and the key. None: nothing is known yet that it could be about."""
Learn = Callable[[Knowledge, Request, dict[str, Any]], None]


@dataclass(frozen=True)
class Operation:
    """A kind of write."""

    name: str
    weight: int
    """How often it is chosen, in proportion to the others."""
    build: Build
    learn: Learn


OPERATIONS: dict[str, Operation] = {}


def _operation(weight: int, learn: Learn) -> Callable[[Build], Build]:
    def register(build: Build) -> Build:
        name = build.__name__
        OPERATIONS[name] = Operation(name, weight, build, learn)
        return build

    return register


def new_key(choice: random.Random) -> str:
    """Return a UUID from this source of chance."""
    return str(UUID(int=choice.getrandbits(128), version=4))


def _sale(key: str) -> dict[str, Any]:
    return {"customer_details": CUSTOMER, "payment_reference": f"PAY-{key}"}


def _learn_batch(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    known.add_batch(body["batch_id"], {each["ticket_code"]: each["qr_token"] for each in body["tickets"]})
    reservation_id = (request.body or {}).get("reservation_id")
    if reservation_id in known.reservations:
        known.reservations[reservation_id] -= len(body["tickets"])
        if known.reservations[reservation_id] <= 0:
            del known.reservations[reservation_id]


def _learn_sale(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    known.note_sale(codes_of_order(body))


def codes_of_order(body: dict[str, Any]) -> list[str]:
    """Return the ticket codes in the response to an activation, a draw or an order."""
    if "tickets" in body:
        return [each["ticket_code"] for each in body["tickets"]]
    return [body["ticket_code"]]


def _learn_nothing(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del known, request, body


def _learn_reservation(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    known.reservations[body["reservation_id"]] = body["quantity"]


def _learn_release(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    known.reservations.pop(body["reservation_id"], None)


def _learn_cancellation(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    known.note_end(body["ticket_code"])


def _learn_reissue(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    known.note_reissue(body["ticket_code"], body["qr_token"])


def _learn_redemption(known: Knowledge, request: Request, body: dict[str, Any]) -> None:
    del request
    if body["status"] == "USED":
        known.note_end(body["ticket_code"])


@_operation(6, _learn_batch)
def generate(known: Knowledge, choice: random.Random, key: str) -> Draft:
    return _generate(known, key, quantity=choice.randint(1, BATCH_MAX))


def _generate(known: Knowledge, key: str, **more: Any) -> Draft:
    body = {"product_id": known.product_id, "batch_id": f"B-{key}", **more}
    return Draft("POST", "/api/ota/tickets/bulk-generate", body)


@_operation(2, _learn_batch)
def generate_from_reservation(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    if not known.reservations:
        return None
    reservation_id, held = choice.choice(list(known.reservations.items()))
    return _generate(known, key, quantity=choice.randint(1, held), reservation_id=reservation_id)


@_operation(3, _learn_reservation)
def reserve(known: Knowledge, choice: random.Random, key: str) -> Draft:
    del key
    body = {"product_id": known.product_id, "quantity": choice.randint(1, RESERVE_MAX)}
    return Draft("POST", "/api/ota/reservations", body)


@_operation(1, _learn_release)
def release(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    if not known.reservations:
        return None
    return Draft("DELETE", f"/api/ota/reservations/{choice.choice(list(known.reservations))}")


@_operation(40, _learn_sale)
def activate(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    code = known.pick(known.unused, choice)
    return None if code is None else Draft("POST", f"/api/ota/tickets/{code}/activate", _sale(key))


@_operation(6, _learn_sale)
def draw(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    if not known.batches:
        return None
    body = {**_sale(key), "quantity": choice.randint(1, DRAW_MAX)}
    return Draft("POST", f"/api/ota/batches/{choice.choice(known.batches[-20:])}/activate", body)


@_operation(6, _learn_sale)
def order(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    codes = [known.pick(known.unused, choice) for _ in range(choice.randint(1, ORDER_MAX))]
    several = list(dict.fromkeys(code for code in codes if code is not None))
    return Draft("POST", "/api/ota/orders", {**_sale(key), "ticket_codes": several}) if several else None


@_operation(5, _learn_cancellation)
def cancel(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    code = known.pick(choice.choice([known.unused, known.active]), choice)
    return (
        None if code is None else Draft("POST", f"/api/ota/tickets/{code}/cancel", {"reason": "not wanted"})
    )


@_operation(1, _learn_nothing)
def cancel_batch(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    if not known.batches:
        return None
    batch_id = choice.choice(known.batches)
    return Draft("POST", f"/api/ota/batches/{batch_id}/cancel", {"reason": "the season is over"})


@_operation(4, _learn_reissue)
def reissue(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    code = known.pick(choice.choice([known.unused, known.active]), choice)
    return None if code is None else Draft("POST", f"/api/ota/tickets/{code}/reissue", {"reason": "lost"})


@_operation(20, _learn_redemption)
def redeem(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    code = known.pick(known.active, choice)
    if code is None:
        return None
    body = {
        "qr": known.token(code),
        "function_code": choice.choice(sorted(known.functions)),
        "uses": choice.randint(1, 2),
        "device_id": "GATE-1",
        "scan_id": key,
    }
    return Draft("POST", "/api/gate/redemptions", body)


def choose(
    known: Knowledge, choice: random.Random, key: str, names: Sequence[str]
) -> tuple[Operation, Draft]:
    """Choose one of these operations that is possible now, by weight. At least one must be possible."""
    weights = [OPERATIONS[name].weight for name in names]
    while True:
        [name] = choice.choices(names, weights)
        operation = OPERATIONS[name]
        if draft := operation.build(known, choice, key):
            return operation, draft
