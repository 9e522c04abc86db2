"""Making a ticket's QR anew: the next issue number, a new token; the gate refuses the ones before."""

import base64
from dataclasses import dataclass
from datetime import datetime

from premade.audit.event_fields import EntitlementLeft
from premade.audit.events import TicketReissued
from premade.audit.idempotency import find_replay, retry_on_key_conflict
from premade.audit.idempotency_sql import EarlierEvent
from premade.postgres.database import Database
from premade.reissue import reissue_sql as sql
from premade.runtime.clock import Runtime
from premade.runtime.errors import Conflict
from premade.runtime.logging import log
from premade.tickets.change import TicketChange
from premade.tickets.code import ISSUE_NUMBER_MAX, possible_code
from premade.tickets.lookup import ticket_unknown
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.signing import Signers
from premade.tickets.ticket import Status

ISSUE_NUMBERS_SKIPPED = 9
"""Higher than the number of reissues of one ticket between a backup and its restore."""


@dataclass(eq=False)
class IssueLimit(Conflict):
    """The ticket's QR was issued as often as it can be."""

    code = "ISSUE_LIMIT"

    ticket_code: str
    issues_max: int


class ToReissue(TicketChange):
    """One ticket whose QR is to be made anew."""

    operation = "reissue"


@dataclass(frozen=True)
class Reissued:
    """The ticket as it was then; `replayed` when an earlier request with the same Idempotency-Key did it."""

    ticket_code: str
    status: str
    entitlements: list[EntitlementLeft]
    issue_number: int
    token: str
    reason: str
    reissued_at: datetime
    replayed: bool


@dataclass(frozen=True)
class Reissuer:
    """What making a QR anew needs."""

    database: Database
    runtime: Runtime
    signers: Signers

    async def reissue(self, asked: ToReissue) -> Reissued:
        """The ticket with its new token, made now or by an earlier request with the same Idempotency-Key.

        TicketUnknown, TicketUsed, TicketCancelled, TicketExpired, IssueLimit, IdempotencyKeyReused, Busy;
        nothing is changed then.
        """
        event, replayed = await retry_on_key_conflict(lambda: self._try(asked))
        done = TicketReissued.of(event.data)
        # A signature by Ed25519 is always the same, so a replay signs again.
        signer = await self.signers.by_id(done.signing_key_id)
        if not replayed:
            log.info("ota.tickets.reissued", ticket_code=asked.ticket_code, issue_number=done.issue_number)
        return Reissued(
            asked.ticket_code,
            done.status,
            done.entitlements,
            done.issue_number,
            signer.token(asked.ticket_code, done.issue_number),
            done.reason,
            event.occurred_at,
            replayed,
        )

    async def _try(self, asked: ToReissue) -> tuple[sql.ReissueEvent | EarlierEvent, bool]:
        """The event that the reissue left, and whether an earlier request did."""
        # Asked for before the transaction: that would hold two connections at once.
        async with self.database.single_statement() as tx:
            incarnation_id = await tx.fetch_one(sql.current_incarnation)
        signer = await self.signers.current(asked.caller.partner_id, incarnation_id)
        async with self.database.transaction() as tx:
            # Locked before the key is looked for: whoever waited here sees what the winner left.
            ticket = await tx.fetch_one(
                sql.ticket_to_reissue,
                partner_id=asked.caller.partner_id,
                ticket_code=possible_code(asked.ticket_code),
                today=self.runtime.today(),
                zone=str(self.runtime.zone),
            )
            if event := await find_replay(tx, asked.keyed):
                return event, True
            if ticket is None:
                raise ticket_unknown(asked.ticket_code)
            _check(ticket, asked.ticket_code)
            issue_number = _next_issue_number(ticket, signer.key_id)
            token = signer.token(asked.ticket_code, issue_number)
            event = await tx.fetch_one(
                sql.reissue,
                **asked.keyed.columns,
                actor=asked.caller.actor,
                request_id=asked.request_id,
                event=TicketReissued.event_name,
                ticket_id=ticket.ticket_id,
                issue_number=issue_number,
                qr_code=base64.b64encode(token.encode()).decode(),
                signing_key_id=signer.key_id,
                reason=asked.reason,
                now=self.runtime.now(),
            )
            assert event is not None
            return event, False


def _next_issue_number(ticket: sql.TicketToReissue, signing_key_id: str) -> int:
    """Return the number of the next token. With another key than the last one, a restore may lie between the two: numbers
    are left out, as it may have forgotten tokens of this ticket that are out there.
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
