"""Inspect a ticket at the gate, without redeeming it."""

from dataclasses import dataclass
from datetime import date, datetime

from premade.audit.events import TicketRedeemed
from premade.partners.keyring import GateCaller
from premade.postgres.database import Database
from premade.redemption import inspect_sql as sql
from premade.redemption.partner import partners_at_gate
from premade.redemption.redeem import ticket_of_row
from premade.redemption.scan import PresentedTicket
from premade.redemption.verdict import Judge, not_known_here, qr_invalid, refusal_of_mode
from premade.runtime.clock import Runtime
from premade.runtime.errors import DomainError
from premade.texts.translation import gettext as _
from premade.tickets.ticket import EntitlementMembers

INITIALS_MAX = 5


@dataclass(frozen=True)
class Inspection:
    """A ticket at the gate. `refusal`: why a scan would not be admitted."""

    ticket_code: str
    product_name: str
    status: str
    entitlements: list[EntitlementMembers]
    usable_until: date | None
    first_used_at: datetime | None
    customer_initials: str | None
    refusal: DomainError | None

    @property
    def message(self) -> str:
        """Return the sentence for the guard."""
        return self.refusal.detail if self.refusal else _("This ticket is valid.")


class Inspector:
    """Inspect tickets."""

    def __init__(self, database: Database, runtime: Runtime) -> None:
        self._database = database
        self._runtime = runtime

    async def inspect(self, caller: GateCaller, presented: PresentedTicket) -> Inspection:
        """Return the ticket.

        Raises:
            QrInvalid: the signing key of the QR is retired.
            TicketUnknown: the gate knows no such ticket.
        """
        if presented.is_key_retired:
            raise qr_invalid(is_key_retired=True)
        partners = await partners_at_gate(self._database, caller, [presented.ticket_code])
        async with self._database.single_statement() as tx:
            row = await tx.fetch_one(
                sql.ticket_at_gate,
                ticket_code=presented.ticket_code,
                partner_id=partners[presented.ticket_code],
                event=TicketRedeemed.event_name,
                today=self._runtime.today(),
                zone=str(self._runtime.zone),
            )
        if row is None:
            raise not_known_here()
        judge, ticket = Judge(self._runtime.zone), ticket_of_row(presented.ticket_code, row)
        return Inspection(
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
    """Return initials, `J. S.` for John Smith: enough to ask the bearer, too little for a stranger."""
    return " ".join(f"{word[0].upper()}." for word in name.split()[:INITIALS_MAX])
