"""Activating single tickets: concurrent requests share one statement (a micro-batch)."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import TypedDict

import orjson

from premade.activation import activate_sql as sql
from premade.activation.activation import OPERATION, Activation
from premade.activation.customer import StoredCustomer, normalized_digest
from premade.activation.outcome import SaleOutcome
from premade.activation.refusals import refusal_of
from premade.audit.events import TicketActivated
from premade.audit.idempotency import Receipt
from premade.orders.erased_customer import erased_key
from premade.postgres.database import Database, Transaction
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.runtime.batching import MicroBatcher
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy
from premade.runtime.logging import log
from premade.tickets.code import possible_code

TRIES_ALONE_MAX = 3
MICRO_BATCH_LOCK_TIMEOUT_MS = 100


@dataclass(frozen=True)
class Activated:
    """Activated ticket with its order; `replayed`: an earlier request with the same Idempotency-Key activated it."""

    ticket_code: str
    order_id: str
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    activated_at: datetime
    customer_erased_at: datetime | None
    replayed: bool


class _Row(TypedDict):
    """A row of the statement's parameter `activations`."""

    position: int
    partner_id: int
    actor: str
    request_id: str
    ticket_code: str
    customer_name: str
    customer_email: str
    customer_phone: str
    payment_reference: str
    names_customer: bool
    idempotency_key: str | None
    request_digest: str


class Activator:
    """Activation of single tickets.

    The statement looks the Idempotency-Key up itself, so that an activation needs no second statement (ADR 39).
    """

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._batch_database = database.for_batches
        self._blocking_database = database.for_blocking_writes()
        self._runtime = runtime
        self._queue = MicroBatcher(
            "activation",
            self._activate_together,
            lambda request: request.caller.partner_id,
            mixes_partners=not database.by_partner,
        )

    async def activate(self, request: Activation) -> Activated:
        """Activate the ticket, or return the result of the earlier request with the same Idempotency-Key.

        Raises:
            TicketUnknown: the partner has no such ticket.
            AlreadyActivated, TicketExpired, TicketCancelled: the ticket's state does not allow it.
            IdempotencyKeyReused: the key was used for another request.
            QueueFull: too many requests are waiting.
            Busy: another transaction has locked the ticket or the key.
        """
        result = await self._queue.outcome(request)
        if result is None or result.outcome is SaleOutcome.AGAIN:
            result = await self._activate_alone(request)
        key = request.idempotency_key
        if result.outcome is SaleOutcome.ALREADY_ACTIVATED and key and request.names_customer(key):
            # If the customer was erased, the order has a digest in place of such a key.
            result = await self._activate_alone(replace(request, idempotency_key=erased_key(key)))
        activated = _result(request, result)
        if not activated.replayed:
            log.info(
                "ota.tickets.activated",
                ticket_code=activated.ticket_code,
                order_id=activated.order_id,
                customer_email=request.customer_email,
            )
        return activated

    async def _activate_together(self, requests: list[Activation]) -> list[sql.ActivationResult]:
        """Activate in one statement. Wait for other transactions only briefly, because all of these requests would wait."""
        async with self._batch_database.single_statement() as tx:
            return await self._activate(tx, requests, MICRO_BATCH_LOCK_TIMEOUT_MS)

    async def _activate(
        self, tx: Transaction, requests: list[Activation], lock_timeout_ms: int
    ) -> list[sql.ActivationResult]:
        rows = [_row(position, request) for position, request in enumerate(requests)]
        return await tx.fetch_all(
            sql.activate,
            activations=orjson.dumps(rows).decode(),
            partner_ids=list({request.caller.partner_id for request in requests}),
            lock_timeout_ms=str(lock_timeout_ms),
            operation=OPERATION,
            event=TicketActivated.event_name,
            now=self._runtime.now(),
            today=self._runtime.today(),
            zone=str(self._runtime.zone),
        )

    async def _activate_alone(self, request: Activation) -> sql.ActivationResult:
        """Wait for the locks of the ticket and the key, then activate. Each try sees what was committed before it."""
        async with self._blocking_database.transaction() as tx:
            await tx.fetch_all(
                sql.wait_for_ticket,
                partner_id=request.caller.partner_id,
                ticket_code=possible_code(request.ticket_code),
            )
            for _ in range(TRIES_ALONE_MAX):
                [result] = await self._activate(tx, [request], LOCK_TIMEOUT_MS)
                if result.outcome is not SaleOutcome.AGAIN:
                    return result
        raise Busy("this_ticket_locked", request.ticket_code)


def _row(position: int, request: Activation) -> _Row:
    return {
        "position": position,
        "partner_id": request.caller.partner_id,
        "actor": request.caller.actor,
        "request_id": request.request_id,
        "ticket_code": possible_code(request.ticket_code),
        "customer_name": request.customer_name,
        "customer_email": request.customer_email,
        "customer_phone": request.customer_phone,
        "payment_reference": request.payment_reference,
        "names_customer": request.names_customer(request.payment_reference),
        "idempotency_key": request.idempotency_key,
        "request_digest": request.digest.hex(),
    }


def _result(request: Activation, result: sql.ActivationResult) -> Activated:
    """Return the activated ticket, or raise the error of the outcome."""
    replayed = result.outcome is SaleOutcome.KEY_USED
    if replayed:
        _receipt(result).check(request.identity)
    elif result.outcome is not SaleOutcome.ACTIVATED:
        raise refusal_of(request.ticket_code, result)
    assert result.order_id is not None
    assert result.total_amount is not None
    assert result.currency is not None
    return Activated(
        ticket_code=request.ticket_code,
        order_id=result.order_id,
        customer_name=result.customer_name,
        payment_reference=result.payment_reference,
        total_amount=result.total_amount,
        currency=result.currency,
        activated_at=result.activated_at,
        customer_erased_at=result.customer_erased_at,
        replayed=replayed,
    )


def _receipt(result: sql.ActivationResult) -> Receipt[sql.ActivationResult]:
    assert result.ticket_codes is not None
    assert result.customer_email is not None
    assert result.customer_phone is not None
    stored = StoredCustomer(
        result.customer_name,
        result.customer_email,
        result.customer_phone,
        result.payment_reference,
        result.customer_erased_at,
    )
    ticket_codes = result.ticket_codes
    return Receipt(
        result,
        "order",
        result.order_id,
        result.request_digest,
        lambda: normalized_digest(ticket_codes, stored),
    )
