"""Reissuing the QR of a ticket: the next issue number and a new token. Gates refuse the previous ones."""

import base64
from dataclasses import dataclass
from datetime import datetime

from premade.audit.event_fields import EntitlementLeft
from premade.audit.events import TicketReissued
from premade.audit.idempotency_sql import EventReceipt
from premade.reissue import reissue_sql as sql
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict
from premade.runtime.logging import log
from premade.tickets.change import ChangeOperation, TicketChange
from premade.tickets.code import ISSUE_NUMBER_MAX, possible_code
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.signing import Signers
from premade.tickets.ticket import Status

ISSUE_NUMBERS_SKIPPED = 9
"""Higher than the number of reissues of one ticket between a backup and its restore."""


@dataclass(eq=False)
class IssueLimit(Conflict):
    """The ticket has the highest possible issue number."""

    code = "ISSUE_LIMIT"

    ticket_code: str
    issues_max: int


class ReissueRequest(TicketChange):
    """A request to reissue the QR of one ticket."""

    operation = "reissue"


@dataclass(frozen=True)
class Reissued:
    """Ticket after its reissue; `replayed`: an earlier request with the same Idempotency-Key reissued it."""

    ticket_code: str
    status: str
    entitlements: list[EntitlementLeft]
    issue_number: int
    token: str
    reason: str
    reissued_at: datetime
    replayed: bool


@dataclass(frozen=True)
class Reissuer(ChangeOperation[ReissueRequest, Reissued]):
    """Reissue of QRs."""

    runtime: Runtime
    signers: Signers

    async def reissue(self, request: ReissueRequest) -> Reissued:
        """Issue a new QR, or return the result of the earlier request with the same Idempotency-Key.

        Raises:
            TicketUnknown: the partner has no such ticket.
            TicketUsed, TicketCancelled, TicketExpired: the ticket's state does not allow it.
            IssueLimit: the ticket has the highest issue number.
            IdempotencyKeyReused: the key was used for another request.
            Busy: another transaction has locked the ticket.
        """
        return await self.run(request)

    async def replay(self, request: ReissueRequest, row: EventReceipt) -> Reissued:
        """Return the result of the request that left this event."""
        event = TicketReissued.of(row.data)
        # Sign again instead of storing the token: Ed25519 signatures are deterministic.
        signer = await self.signers.by_id(event.signing_key_id)
        token = signer.token(request.ticket_code, event.issue_number)
        return _result(request, row, token, replayed=True)

    async def attempt(self, request: ReissueRequest) -> Reissued:
        """Issue a new QR. The errors are those of `reissue`."""
        # Get the signing key before the transaction, so that this request does not hold two connections.
        async with self.database.single_statement() as tx:
            incarnation_id = await tx.fetch_one(sql.current_incarnation)
        signer = await self.signers.current(request.caller.partner_id, incarnation_id)
        async with self.database.transaction() as tx:
            ticket = await tx.fetch_one(
                sql.ticket_to_reissue,
                partner_id=request.caller.partner_id,
                ticket_code=possible_code(request.ticket_code),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )
            if ticket is None:
                raise ticket_unknown(request.ticket_code)
            _check(ticket, request.ticket_code)
            issue_number = _next_issue_number(ticket, signer.key_id)
            token = signer.token(request.ticket_code, issue_number)
            row = await tx.fetch_one(
                sql.reissue,
                **request.identity.columns,
                actor=request.caller.actor,
                request_id=request.request_id,
                event=TicketReissued.event_name,
                ticket_id=ticket.ticket_id,
                issue_number=issue_number,
                qr_code=base64.b64encode(token.encode()).decode(),
                signing_key_id=signer.key_id,
                reason=request.reason,
                now=self.runtime.now(),
            )
            assert row is not None
        log.info("ota.tickets.reissued", ticket_code=request.ticket_code, issue_number=issue_number)
        return _result(request, row, token, replayed=False)


def _result(
    request: ReissueRequest, row: EventReceipt | sql.ReissueEvent, token: str, *, replayed: bool
) -> Reissued:
    event = TicketReissued.of(row.data)
    return Reissued(
        request.ticket_code,
        event.status,
        event.entitlements,
        event.issue_number,
        token,
        event.reason,
        row.occurred_at,
        replayed,
    )


def _next_issue_number(ticket: sql.TicketToReissue, signing_key_id: str) -> int:
    """Return the number of the next token.

    If the signing key has changed, the database may have been restored, and may have forgotten tokens of this ticket. Then
    skip ISSUE_NUMBERS_SKIPPED numbers.
    """
    skip = 0 if ticket.signing_key_id == signing_key_id else ISSUE_NUMBERS_SKIPPED
    return min(ticket.issue_number + 1 + skip, ISSUE_NUMBER_MAX)


def _check(ticket: sql.TicketToReissue, code: str) -> None:
    status, valid_until = ticket.status, ticket.valid_until
    if status == Status.USED:
        raise TicketUsed(code, ticket.first_used_at)
    if status == Status.CANCELLED:
        raise TicketCancelled(code)
    if status == Status.EXPIRED or (status == Status.PRE_GENERATED and ticket.is_over):
        raise TicketExpired("ticket", code, valid_until)
    if ticket.issue_number >= ISSUE_NUMBER_MAX:
        raise IssueLimit(code, ISSUE_NUMBER_MAX)
