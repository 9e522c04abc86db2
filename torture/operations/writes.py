"""The writes of a partner: generate, reserve, sell, cancel, reissue."""

import random
from typing import Any

from torture.journal import Request
from torture.knowledge import Knowledge, one_of_newest
from torture.operations.operation import Draft, operation

BATCH_MAX = 20
DRAW_MAX = 4
ORDER_MAX = 3
RESERVE_MAX = 15
CUSTOMER = {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"}


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


@operation(6, _learn_batch)
def generate(known: Knowledge, choice: random.Random, key: str) -> Draft:
    return _generate(known, key, quantity=choice.randint(1, BATCH_MAX))


def _generate(known: Knowledge, key: str, **more: Any) -> Draft:
    body = {"product_id": known.product_id, "batch_id": f"B-{key}", **more}
    return Draft("POST", "/api/ota/tickets/bulk-generate", body)


@operation(2, _learn_batch)
def generate_from_reservation(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    reservation_id = one_of_newest(known.reservations, choice)
    if reservation_id is None:
        return None
    quantity = choice.randint(1, known.reservations[reservation_id])
    return _generate(known, key, quantity=quantity, reservation_id=reservation_id)


@operation(3, _learn_reservation)
def reserve(known: Knowledge, choice: random.Random, key: str) -> Draft:
    del key
    body = {"product_id": known.product_id, "quantity": choice.randint(1, RESERVE_MAX)}
    return Draft("POST", "/api/ota/reservations", body)


@operation(1, _learn_release)
def release(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    reservation_id = one_of_newest(known.reservations, choice)
    return None if reservation_id is None else Draft("DELETE", f"/api/ota/reservations/{reservation_id}")


@operation(40, _learn_sale)
def activate(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    code = known.pick(known.unused, choice)
    return None if code is None else Draft("POST", f"/api/ota/tickets/{code}/activate", _sale(key))


@operation(6, _learn_sale)
def draw(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    if not known.batches:
        return None
    body = {**_sale(key), "quantity": choice.randint(1, DRAW_MAX)}
    return Draft("POST", f"/api/ota/batches/{choice.choice(known.batches[-20:])}/activate", body)


@operation(6, _learn_sale)
def order(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    codes = [known.pick(known.unused, choice) for _ in range(choice.randint(1, ORDER_MAX))]
    several = list(dict.fromkeys(code for code in codes if code is not None))
    return Draft("POST", "/api/ota/orders", {**_sale(key), "ticket_codes": several}) if several else None


@operation(5, _learn_cancellation)
def cancel(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    code = known.pick(choice.choice([known.unused, known.active]), choice)
    return (
        None if code is None else Draft("POST", f"/api/ota/tickets/{code}/cancel", {"reason": "not wanted"})
    )


@operation(1)
def cancel_batch(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    batch_id = known.any_batch(choice)
    if batch_id is None:
        return None
    return Draft("POST", f"/api/ota/batches/{batch_id}/cancel", {"reason": "the season is over"})


@operation(4, _learn_reissue)
def reissue(known: Knowledge, choice: random.Random, key: str) -> Draft | None:
    del key
    code = known.pick(choice.choice([known.unused, known.active]), choice)
    return None if code is None else Draft("POST", f"/api/ota/tickets/{code}/reissue", {"reason": "lost"})
