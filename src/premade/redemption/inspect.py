"""Looking at a ticket at the gate, without using it."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from premade.audit.events import TicketRedeemed
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.redemption import inspect_sql as sql
from premade.redemption.redeem import shown
from premade.redemption.scan import Presented
from premade.redemption.verdict import Judge, not_known_here, qr_invalid, refusal_of_mode
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError

INITIALS_MAX = 5


@dataclass(frozen=True)
class Inspected:
    """A ticket as the gate sees it; `refusal` says why it would not be let in."""

    ticket_code: str
    product_name: str
    status: str
    entitlements: list[dict[str, Any]]
    usable_until: date | None
    first_used_at: datetime | None
    customer_initials: str | None
    refusal: DomainError | None

    @property
    def message(self) -> str:
        """For the guard to say."""
        return self.refusal.detail if self.refusal else "This ticket is valid."


class Inspector:
    """What looking at a ticket needs."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime

    async def inspect(self, caller: GateCaller, presented: Presented) -> Inspected:
        """The ticket as it is now. QrInvalid, TicketUnknown."""
        if presented.is_key_retired:
            raise qr_invalid(is_key_retired=True)
        async with self._database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.ticket_at_gate,
                ticket_code=presented.ticket_code,
                partner_id=caller.partner_id,
                event=TicketRedeemed.event_name,
                today=self._runtime.today(),
                zone=str(self._runtime.zone),
            )
        if row is None:
            raise not_known_here()
        judge, ticket = Judge(self._runtime.zone), shown(presented.ticket_code, row)
        return Inspected(
            ticket_code=ticket.ticket_code,
            product_name=row.product_name,
            status=ticket.status,
            entitlements=ticket.entitlements,
            usable_until=ticket.usable_until,
            first_used_at=row.first_used_at,
            customer_initials=row.customer_name and initials(row.customer_name),
            refusal=refusal_of_mode(caller, is_test_ticket=row.is_test)
            or judge.refusal(ticket, presented.issue_number, row.today),
        )


def initials(name: str) -> str:
    """`J. S.` of John Smith: enough to ask the bearer, too little to tell a stranger."""
    return " ".join(f"{word[0].upper()}." for word in name.split()[:INITIALS_MAX])
