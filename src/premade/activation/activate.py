"""Activating tickets: each exactly once, with its order, in one statement for however many."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from premade.activation import activate_sql as sql
from premade.activation.activation import Activation
from premade.activation.customer import StoredCustomer, is_same_request
from premade.activation.outcome import SaleOutcome
from premade.activation.refusals import refusal_of
from premade.audit.events import TicketActivated
from premade.postgres.database import Database, Transaction
from premade.postgres.pool import LOCK_TIMEOUT_MS
from premade.runtime.batching import MicroBatcher
from premade.runtime.clock import Runtime
from premade.runtime.errors import Busy, IdempotencyKeyReused
from premade.runtime.logging import log
from premade.tickets.code import possible_code

OPERATION = "activate"
"""What an Idempotency-Key is scoped to, beside the partner."""
TRIES_ALONE_MAX = 3
TOGETHER_LOCK_TIMEOUT_MS = 100


@dataclass(frozen=True)
class Activated:
    """What came of it; `replayed` when an earlier request with the same Idempotency-Key did it."""

    ticket_code: str
    order_id: str
    customer_name: str
    payment_reference: str
    total_amount: Decimal
    currency: str
    activated_at: datetime
    replayed: bool


class Activator:
    """What activating needs."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._of_queue = database.for_batches
        self._of_patient = database.for_blocking_writes()
        self._runtime = runtime
        self._queue = MicroBatcher("activation", self._together)

    async def activate(self, asked: Activation) -> Activated:
        """The activated ticket, now or by an earlier request with the same Idempotency-Key.

        TicketUnknown, AlreadyActivated, TicketExpired, TicketCancelled, IdempotencyKeyReused, Busy; nothing
        is changed then.
        """
        result = await self._queue.outcome(asked)
        if result is None or result.outcome is SaleOutcome.AGAIN:
            result = await self._alone(asked)
        activated = _activated_or_refused(asked, result)
        if not activated.replayed:
            log.info(
                "ota.tickets.activated",
                ticket_code=activated.ticket_code,
                order_id=activated.order_id,
                customer_email=asked.customer_email,
            )
        return activated

    async def _together(self, activations: list[Activation]) -> list[sql.ActivationResult]:
        """Does not wait for a key that another transaction is about to take: neighbours would wait too."""
        async with self._of_queue.single_statement() as tx:
            return await self._try(tx, activations, TOGETHER_LOCK_TIMEOUT_MS)

    async def _try(
        self, tx: Transaction, activations: list[Activation], lock_timeout_ms: int
    ) -> list[sql.ActivationResult]:
        rows = [_row(position, asked) for position, asked in enumerate(activations)]
        return await tx.fetch_all(
            sql.activate,
            activations=orjson.dumps(rows).decode(),
            lock_timeout_ms=str(lock_timeout_ms),
            operation=OPERATION,
            event=TicketActivated.event_name,
            now=self._runtime.now(),
            today=self._runtime.today(),
            zone=str(self._runtime.zone),
        )

    async def _alone(self, asked: Activation) -> sql.ActivationResult:
        """Waits for whoever holds the ticket or the key; each try then sees what the winner did."""
        async with self._of_patient.transaction() as tx:
            await tx.fetch_all(
                sql.wait_for_ticket,
                partner_id=asked.caller.partner_id,
                ticket_code=possible_code(asked.ticket_code),
            )
            for _ in range(TRIES_ALONE_MAX):
                [result] = await self._try(tx, [asked], LOCK_TIMEOUT_MS)
                if result.outcome is not SaleOutcome.AGAIN:
                    return result
        raise Busy("this_ticket_locked", asked.ticket_code)


def _row(position: int, asked: Activation) -> dict[str, Any]:
    return {
        "position": position,
        "partner_id": asked.caller.partner_id,
        "actor": asked.caller.actor,
        "request_id": asked.request_id,
        "ticket_code": possible_code(asked.ticket_code),
        "customer_name": asked.customer_name,
        "customer_email": asked.customer_email,
        "customer_phone": asked.customer_phone,
        "payment_reference": asked.payment_reference,
        "idempotency_key": asked.idempotency_key,
        "request_digest": asked.digest.hex(),
    }


def _activated_or_refused(asked: Activation, result: sql.ActivationResult) -> Activated:
    code = asked.ticket_code
    replayed = result.outcome is SaleOutcome.REPLAYED or _is_replay(asked, result)
    if replayed or result.outcome is SaleOutcome.ACTIVATED:
        assert result.order_id is not None
        assert result.total_amount is not None
        assert result.currency is not None
        return Activated(
            ticket_code=code,
            order_id=result.order_id,
            customer_name=result.customer_name,
            payment_reference=result.payment_reference,
            total_amount=result.total_amount,
            currency=result.currency,
            activated_at=result.activated_at,
            replayed=replayed,
        )
    if result.outcome is SaleOutcome.KEY_REUSED:
        assert result.order_id is not None
        raise IdempotencyKeyReused("order", result.order_id)
    raise refusal_of(code, result)


def _is_replay(asked: Activation, result: sql.ActivationResult) -> bool:
    """Return whether the key's order is of the same request, and only its digest was made of other text."""
    if result.outcome is not SaleOutcome.KEY_REUSED:
        return False
    assert result.ticket_codes is not None
    assert result.customer_email is not None
    assert result.customer_phone is not None
    stored = StoredCustomer(
        result.customer_name, result.customer_email, result.customer_phone, result.payment_reference
    )
    return is_same_request(asked.digest, result.ticket_codes, stored)
