"""Taking back what is unused of a batch, and stopping its making. Each page says first what it would do."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from premade.cancellation.cancel_batch import BatchCanceller, BatchToCancel
from premade.console.addresses import go_to
from premade.console.batches.pages import BATCH, address_of, asked_batch
from premade.console.routing import Page, StaffRequest
from premade.generation.large import LargeBatches
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.staff.role import Right
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason


def _asker(what: str) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def ask(request: StaffRequest) -> Response:
        return await _ask(request, what, request.new_nonce(), reason="", wrong=None)

    return ask


async def _ask(request: StaffRequest, what: str, once: str, *, reason: str, wrong: str | None) -> Response:
    batch = await asked_batch(request)
    return request.page(
        "batches/batch_change.html",
        400 if wrong else 200,
        what=what,
        batch=batch,
        partner=(await partners_by_id(request.database))[batch["partner_id"]],
        back=address_of(batch),
        once=once,
        reason=reason,
        reason_characters_max=REASON_CHARACTERS_MAX,
        wrong=wrong,
    )


def _doer(
    what: str, do: Callable[[StaffRequest, OnBehalf, dict[str, Any], str], Awaitable[str]]
) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def act(request: StaffRequest) -> Response:
        once, reason = request.nonce(), request.form.get("reason", "")
        try:
            reason = checked_reason(reason)
        except ValueError as error:
            return await _ask(request, what, once, reason=reason, wrong=str(error))
        batch = await asked_batch(request)
        whose = OnBehalf(batch["partner_id"], batch["channel"], request.member.actor)
        done = await do(request, whose, batch, reason)
        return go_to(address_of(batch, done=done))

    return act


async def _cancel(request: StaffRequest, whose: OnBehalf, batch: dict[str, Any], reason: str) -> str:
    # Sent again, after an answer that was lost or a page that said 'busy', it goes on from where it was.
    key = f"{request.member.actor}:{request.nonce()}"
    await request.use(BatchCanceller).cancel(
        BatchToCancel(whose, request.request_id, batch["batch_id"], reason, key)
    )
    return "cancelled"


async def _stop(request: StaffRequest, whose: OnBehalf, batch: dict[str, Any], reason: str) -> str:
    await request.use(LargeBatches).stop(whose, batch["batch_id"], reason)
    return "stopped"


PAGES = [
    Page(f"{BATCH}/cancel", _asker("cancel"), _doer("cancel", _cancel), Right.MAKE_BATCHES),
    Page(f"{BATCH}/stop", _asker("stop"), _doer("stop", _stop), Right.MAKE_BATCHES),
]
