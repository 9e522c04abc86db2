"""A ticket code that a guard types in, for a bearer whose QR code cannot be read.

Codes can be guessed, so the last digits of the customer's phone number go with it. Wrong entries are counted for the
key or member of staff who types, for the operator or partner whose gate it is, and for the ticket. A name that a client
chooses, such as its device_id, counts for nothing. Right entries are not counted, however many.
"""

import hmac
import math
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from premade.partners.keyring import GateCaller
from premade.postgres.database import Database, Transaction
from premade.redemption import manual_sql as sql
from premade.redemption.counts import Counted, count_at_gate
from premade.redemption.rules import GateRules
from premade.runtime.clock import Runtime
from premade.runtime.errors import FieldError, Invalid, NotFound, TooMany
from premade.runtime.logging import log

PERMISSION = "gate:manual-entry"
FORGOTTEN_AT_ONCE_MAX = 10
"""More than an entry can add, so that those of one span are all that is ever kept."""


@dataclass(frozen=True)
class Limit:
    """At most `wrong_max` wrong entries within a number of seconds."""

    wrong_max: int
    span_seconds: int


OF_WHO_TYPES = Limit(20, 600)
"""Several devices may share a key: if one entry in ten is wrong, this allows 200 entries in 10 minutes."""
OF_WHOSE_GATE = Limit(300, 3600)
"""Higher than the limit of one key, so that no single key locks out all gates of the operator."""
OF_TICKET = Limit(10, 3600)
SPAN_SECONDS_MAX = max(limit.span_seconds for limit in (OF_WHO_TYPES, OF_WHOSE_GATE, OF_TICKET))


class DigitsWrong(NotFound):
    """No ticket has this code with a customer's phone number that ends in these digits."""

    code = "DIGITS_WRONG"


class TooManyEntries(TooMany):
    """Too many wrong codes or digits were entered: with this API key or by this member of staff, at these gates, or for this ticket."""

    code = "TOO_MANY_MANUAL_ENTRIES"


@dataclass(frozen=True)
class Typed:
    """What was typed at a device. `ticket_code` is None if it is not a ticket code."""

    ticket_code: str | None
    phone_digits: str
    device_id: str


class ManualEntries:
    """What admitting what was typed in needs."""

    def __init__(self, database: Database, runtime: Runtime, rules: GateRules) -> None:
        self._database = database
        self._runtime = runtime
        self._rules = rules

    async def check(self, caller: GateCaller, typed: Typed) -> str:
        """Return the ticket's code.

        Raises:
            PermissionMissing: the key may not.
            Invalid: fewer digits than the operator wants.
            TooManyEntries: wrong entries came too often.
            DigitsWrong: there is no such ticket, or the digits are not those of its customer.
        """
        caller.require(PERMISSION)
        if len(typed.phone_digits) < self._rules.phone_digits:
            message = f"Must be the last {self._rules.phone_digits} digits of the phone number, or more"
            raise Invalid([FieldError("#/phone_last4", message)])
        async with self._database.transaction() as tx:
            code = await self._matching(tx, caller, typed)
            if code is None:
                await count_at_gate(
                    tx, self._runtime, caller, typed.device_id, Counter([Counted.WRONG_DIGITS])
                )
        await self._forget_old()
        # After the commit: what was wrong is counted.
        if code is None:
            log.warning("ota.gate.digits_wrong", actor=caller.actor, device_id=typed.device_id)
            raise DigitsWrong
        return code

    async def _matching(self, tx: Transaction, caller: GateCaller, typed: Typed) -> str | None:
        """Return the ticket's code if the digits match.

        The entry is counted before the comparison, and the count is taken back if it is right. So concurrent guesses wait
        for each other. All lock the rows in this order.
        """
        gates = caller.partner_id or "operator"
        counted = [(f"gates {gates}", OF_WHOSE_GATE), (f"typed by {caller.counted_as}", OF_WHO_TYPES)]
        if typed.ticket_code is not None:
            # Only callers that may see the ticket count here: a stranger's guesses must not lock it at its own gates.
            counted.append((f"ticket {gates} {typed.ticket_code}", OF_TICKET))
        for subject, limit in counted:
            await self._count(tx, subject, limit)
        if typed.ticket_code is None:
            return None
        customer_phone = await tx.fetch_one(
            sql.customer_phone, ticket_code=typed.ticket_code, partner_id=caller.partner_id
        )
        phone = (customer_phone or "").removeprefix("+")
        if not hmac.compare_digest(phone[-len(typed.phone_digits) :], typed.phone_digits):
            return None
        await tx.execute(sql.take_entries_back, subjects=[subject for subject, _ in counted])
        return typed.ticket_code

    async def _forget_old(self) -> None:
        """In a transaction of its own, which waits for nobody: no two of those who count can wait for each other."""
        async with self._database.single_statement() as tx:
            await tx.execute(
                sql.forget_old,
                now=self._runtime.now(),
                span=timedelta(seconds=SPAN_SECONDS_MAX),
                rows_max=FORGOTTEN_AT_ONCE_MAX,
            )

    async def _count(self, tx: Transaction, subject: str, limit: Limit) -> None:
        now, span = self._runtime.now(), timedelta(seconds=limit.span_seconds)
        counted = await tx.fetch_one(sql.count_entry, subject=subject, now=now, span=span)
        assert counted is not None
        if counted.entries > limit.wrong_max:
            wait = max(1, math.ceil((counted.span_began_at + span - now).total_seconds()))
            raise TooManyEntries(wait)
