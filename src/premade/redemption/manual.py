"""A ticket code that a guard types in, for a bearer whose QR code cannot be read: codes can be guessed, so the
last digits of the customer's phone number go with it, and nobody may try often.
"""

import hmac
import math
from dataclasses import dataclass
from datetime import timedelta

from premade.base import statements
from premade.base.errors import TooMany
from premade.base.work import Database, Work
from premade.base.world import World
from premade.partners.keyring import GateCaller
from premade.redemption.verdict import not_known_here
from premade.tickets.code import is_ticket_code

sql = statements.load(__file__)

PERMISSION = "gate:manual-entry"
PHONE_DIGITS = 4
DEVICE_ENTRIES_MAX = 10
DEVICE_SPAN_SECONDS = 60
TICKET_WRONG_ENTRIES_MAX = 10
TICKET_SPAN_SECONDS = 3600
FORGOTTEN_AT_ONCE_MAX = 10
"""More than an entry can add, so that those of one span are all that is ever kept."""


class TooManyEntries(TooMany):
    """Codes were typed in too often at this device, or with wrong digits for this ticket. Nothing was used up."""

    code = "TOO_MANY_MANUAL_ENTRIES"
    title = "Too many codes were typed in"
    remedy = "Wait Retry-After seconds, or scan the QR code."


@dataclass(frozen=True)
class Typed:
    """What was typed in at a device."""

    ticket_code: str
    phone_last4: str
    device_id: str


class ManualEntries:
    """What admitting what was typed in needs."""

    def __init__(self, database: Database, world: World) -> None:
        self._database = database
        self._world = world

    async def check(self, caller: GateCaller, typed: Typed) -> None:
        """PermissionMissing, TooManyEntries, or TicketUnknown when there is no such ticket or the digits are not those
        of its customer; which of the two is not told.
        """
        caller.require(PERMISSION)
        async with self._database.transaction() as work:
            device = f"device {caller.actor} {typed.device_id}"
            await self._count(work, device, DEVICE_ENTRIES_MAX, DEVICE_SPAN_SECONDS)
            is_right = await self._is_right(work, caller, typed)
        await self._forget_old()
        # After the commit: what was wrong is counted.
        if not is_right:
            raise not_known_here()

    async def _is_right(self, work: Work, caller: GateCaller, typed: Typed) -> bool:
        """Counted before it is compared, and taken back when right: those who guess at once wait for each other."""
        if not is_ticket_code(typed.ticket_code):
            return False
        # Of those who may see the ticket: a stranger, who guesses at it in vain, must not lock it for its own gates.
        ticket = f"ticket {caller.partner_id or 'operator'} {typed.ticket_code}"
        await self._count(work, ticket, TICKET_WRONG_ENTRIES_MAX, TICKET_SPAN_SECONDS)
        row = await work.one(sql.customer_phone, ticket_code=typed.ticket_code, partner_id=caller.partner_id)
        phone = row["customer_phone"] if row else ""
        if not hmac.compare_digest(phone[-PHONE_DIGITS:], typed.phone_last4):
            return False
        await work.all(sql.take_entry_back, subject=ticket)
        return True

    async def _forget_old(self) -> None:
        """In a transaction of its own, which waits for nobody: no two of those who count can wait for each other."""
        async with self._database.single_statement() as work:
            await work.all(
                sql.forget_old,
                before=self._world.now() - timedelta(seconds=max(DEVICE_SPAN_SECONDS, TICKET_SPAN_SECONDS)),
                rows_max=FORGOTTEN_AT_ONCE_MAX,
            )

    async def _count(self, work: Work, subject: str, entries_max: int, span_seconds: int) -> None:
        now, span = self._world.now(), timedelta(seconds=span_seconds)
        counted = await work.one(sql.count_entry, subject=subject, now=now, span_start=now - span)
        assert counted is not None
        if counted["entries"] > entries_max:
            wait = max(1, math.ceil((counted["span_began_at"] + span - now).total_seconds()))
            message = f"Codes were typed in too often; the next may be in {wait} seconds."
            raise TooManyEntries(message, retry_after_seconds=wait)
