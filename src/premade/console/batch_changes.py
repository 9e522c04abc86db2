"""Taking back what is unused of a batch, and stopping its making. Each page says first what it would do."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.responses import Response

from premade.cancellation.cancel_batch import BatchCanceller, BatchToCancel
from premade.console.batches import BATCH, address_of, asked_batch
from premade.console.door import StaffRequest, go_to, page
from premade.console.rendering import Templates
from premade.generation.large import LargeBatches
from premade.http.gateway import PageRoute
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.staff.role import Right
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason


def pages(templates: Templates) -> list[PageRoute]:
    """The routes."""
    right = Right.MAKE_BATCHES
    return [
        *page(templates, f"{BATCH}/cancel", _asker("cancel"), _doer("cancel", _cancel), right),
        *page(templates, f"{BATCH}/stop", _asker("stop"), _doer("stop", _stop), right),
    ]


def _asker(what: str) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def ask(visit: StaffRequest) -> Response:
        return await _ask(visit, what, visit.new_nonce(), reason="", wrong=None)

    return ask


async def _ask(visit: StaffRequest, what: str, once: str, *, reason: str, wrong: str | None) -> Response:
    batch = await asked_batch(visit)
    return visit.page(
        "batch_change.html",
        400 if wrong else 200,
        what=what,
        batch=batch,
        partner=(await partners_by_id(visit.database))[batch["partner_id"]],
        back=address_of(batch),
        once=once,
        reason=reason,
        reason_characters_max=REASON_CHARACTERS_MAX,
        wrong=wrong,
    )


def _doer(
    what: str, do: Callable[[StaffRequest, OnBehalf, dict[str, Any], str], Awaitable[str]]
) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def act(visit: StaffRequest) -> Response:
        once, reason = visit.nonce(), visit.form.get("reason", "")
        try:
            reason = checked_reason(reason)
        except ValueError as error:
            return await _ask(visit, what, once, reason=reason, wrong=str(error))
        batch = await asked_batch(visit)
        whose = OnBehalf(batch["partner_id"], batch["channel"], visit.member.actor)
        done = await do(visit, whose, batch, reason)
        return go_to(address_of(batch, done=done))

    return act


async def _cancel(visit: StaffRequest, whose: OnBehalf, batch: dict[str, Any], reason: str) -> str:
    # Sent again, after an answer that was lost or a page that said 'busy', it goes on from where it was.
    key = f"{visit.member.actor}:{visit.nonce()}"
    await visit.use(BatchCanceller).cancel(
        BatchToCancel(whose, visit.request_id, batch["batch_id"], reason, key)
    )
    return "cancelled"


async def _stop(visit: StaffRequest, whose: OnBehalf, batch: dict[str, Any], reason: str) -> str:
    await visit.use(LargeBatches).stop(whose, batch["batch_id"], reason)
    return "stopped"
