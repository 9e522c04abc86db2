"""Cancelling the unused tickets of a batch, and stopping its generation."""

from typing import Any, Self

from premade.cancellation.cancel_batch import BatchCanceller, BatchToCancel
from premade.console.batches.pages import BATCH, address_of, asked_batch
from premade.console.change_flow import Confirmation, Preview, Row, confirm_page
from premade.console.reason import ReasonForm
from premade.console.rendering import STATE_NAMES, in_number
from premade.console.routing import StaffRequest
from premade.generation.large import LargeBatches
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.staff.role import Right
from premade.texts.translation import gettext as _


class _BatchChange(Confirmation[ReasonForm]):
    form = ReasonForm
    needs_nonce = True
    focus = "reason"

    def __init__(self, request: StaffRequest, batch: dict[str, Any], partner: PartnerRow) -> None:
        super().__init__(request)
        self.batch = batch
        self.subject = _(
            "Batch %(batch)s of %(partner)s: %(made)s of %(quantity)s tickets are generated.",
            batch=batch["batch_id"],
            partner=partner.name,
            made=in_number(batch["made"]),
            quantity=in_number(batch["quantity"]),
        )
        self.cancel_address = address_of(batch)

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the batch that the address names."""
        batch = await asked_batch(request)
        return cls(request, batch, (await partners_by_id(request.database))[batch["partner_id"]])

    @property
    def caller(self) -> OnBehalf:
        """Who makes the change, for the partner."""
        return OnBehalf(self.batch["partner_id"], self.batch["channel"], self.request.member.actor)

    def stock_row(self, tickets: int) -> Row:
        """Return how much stock becomes available again."""
        return Row(
            _("Stock available again"),
            _(
                "%(tickets)s in the channel %(channel)s",
                tickets=in_number(tickets),
                channel=self.batch["channel"],
            ),
        )


class CancelBatch(_BatchChange):
    """Cancel the unused tickets of a batch."""

    async def preview(self) -> Preview:
        """Return how many tickets are cancelled, and which stay."""
        batch = self.batch
        unused, to_make = batch["pre_generated"], batch["to_make"]
        stay = [
            f"{count:,} {str(STATE_NAMES[status]).lower()}"
            for status, count in batch["counts"]
            if status != "PRE_GENERATED" and count
        ]
        rows = [Row(_("Cancelled"), _("%(tickets)s unused tickets", tickets=in_number(unused)))]
        if to_make:
            rows.append(Row(_("Not generated"), _("%(tickets)s tickets", tickets=in_number(to_make))))
        rows += [Row(_("Unchanged"), ", ".join(stay) or _("none")), self.stock_row(unused + to_make)]
        return Preview(
            _("Cancel unused tickets"),
            self.subject,
            rows,
            notes=[
                _("The QRs of these tickets no longer open a gate. This cannot be undone."),
                _("Tickets that are sold meanwhile stay as they are. A large batch takes some seconds."),
            ],
            save_label=_("Cancel unused tickets"),
            is_dangerous=True,
        )

    async def save(self, form: ReasonForm) -> str:
        """Cancel them. Sent again, after a lost answer or a page that said 'busy', it continues."""
        request, batch = self.request, self.batch
        key = f"{request.member.actor}:{request.nonce()}"
        await request.use(BatchCanceller).cancel(
            BatchToCancel(self.caller, request.request_id, batch["batch_id"], form.reason, key)
        )
        return address_of(batch, done="cancelled")


class StopBatch(_BatchChange):
    """Stop the generation of a batch."""

    async def preview(self) -> Preview:
        """Return how many tickets are not generated."""
        batch = self.batch
        return Preview(
            _("Stop generating"),
            self.subject,
            [
                Row(_("Not generated"), _("%(tickets)s tickets", tickets=in_number(batch["to_make"]))),
                Row(_("Unchanged"), _("%(tickets)s generated tickets", tickets=in_number(batch["made"]))),
                self.stock_row(batch["to_make"]),
            ],
            notes=[
                _("This cannot be undone: the rest of this batch will not be generated."),
                _("Tickets are being generated meanwhile, so it may be fewer."),
            ],
            save_label=_("Stop generating"),
            is_dangerous=True,
        )

    async def save(self, form: ReasonForm) -> str:
        """Stop it."""
        await self.request.use(LargeBatches).stop(self.caller, self.batch["batch_id"], form.reason)
        return address_of(self.batch, done="stopped")


PAGES = [
    confirm_page(f"{BATCH}/cancel", CancelBatch, Right.MAKE_BATCHES),
    confirm_page(f"{BATCH}/stop", StopBatch, Right.MAKE_BATCHES),
]
