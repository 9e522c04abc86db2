"""`POST /api/ota/tickets/{code}/reissue`."""

from typing import Annotated, Literal

from pydantic import Field

from premade.http.endpoint import Reply
from premade.http.fields import IdempotencyKey, Timestamp
from premade.http.problems import documented
from premade.partners.call import Call, partner_router, partner_with
from premade.reissue.reissue import IssueLimit, Reissuer, ReissueRequest
from premade.runtime.errors import IdempotencyKeyReused, ResultArchived
from premade.tickets.answers import Entitlement, QrCode, qr_of
from premade.tickets.code import ISSUE_NUMBER_MAX
from premade.tickets.lookup import TicketUnknown
from premade.tickets.reason import ReasonRequest
from premade.tickets.refusals import TicketCancelled, TicketExpired, TicketUsed
from premade.tickets.routes import TicketCode
from premade.tickets.signing import SigningKeyMissing

router = partner_router("OTA Integration")


class ReissueAnswer(QrCode):
    """Ticket with its new QR. Gates refuse the previous ones."""

    ticket_code: str = Field(examples=["CRUISE-2025-FERRY-1762274285982"])
    status: Literal["PRE_GENERATED", "ACTIVE"]
    entitlements: list[Entitlement]
    issue_number: int = Field(
        description=f"Number of the new QR: one more than before, at most {ISSUE_NUMBER_MAX}. QRs with lower numbers are revoked.",
        examples=[2],
    )
    reason: str = Field(examples=["The customer's plans changed"])
    reissued_at: Timestamp


@router.post(
    "/api/ota/tickets/{code}/reissue",
    summary="Reissue the QR of a ticket",
    description=(
        "Issue a new QR and revoke the previous one, for example if a QR was lost or copied. State, "
        "order and remaining uses do not change."
    ),
    response_description="New QR issued; the previous QR is revoked",
    response_model=ReissueAnswer,
    responses=documented(
        TicketUnknown,
        TicketUsed,
        TicketCancelled,
        TicketExpired,
        IssueLimit,
        IdempotencyKeyReused,
        ResultArchived,
        SigningKeyMissing,
    ),
)
async def reissue(
    call: Annotated[Call, partner_with("tickets:cancel")],
    code: TicketCode,
    body: ReasonRequest,
    idempotency_key: IdempotencyKey = None,
) -> Reply:
    """Issue a new QR and revoke the previous one, for example if a QR was lost or copied."""
    request = ReissueRequest(call.caller, call.request_id, code, body.reason, idempotency_key)
    result = await call.use(Reissuer).reissue(request)
    answer = ReissueAnswer.model_validate(
        {
            "ticket_code": result.ticket_code,
            "status": result.status,
            "entitlements": [vars(entitlement) for entitlement in result.entitlements],
            "issue_number": result.issue_number,
            "reason": result.reason,
            "reissued_at": result.reissued_at,
            **qr_of(result.token, is_test=call.caller.is_test),
        }
    )
    return Reply(answer, replayed=result.replayed)
