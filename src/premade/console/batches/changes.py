"""Cancelling the unused tickets of a batch, and stopping its generation."""

from typing import Self

from premade.batches.lookup_sql import BatchRow
from premade.cancellation.cancel_batch import BatchCanceller, CancelBatchRequest
from premade.console.batches.shown_batch import BATCH, ShownBatch, batch_of_url
from premade.console.change_flow import Confirmation, Preview, Row, confirm_page
from premade.console.reason import ReasonForm
from premade.console.rendering import state_in_sentence
from premade.console.routing import StaffRequest
from premade.generation.large import LargeBatches
from premade.partners.keyring import OnBehalf
from premade.partners.partner import partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.translation import gettext as _


class _BatchChange(Confirmation[ReasonForm]):
    form = ReasonForm
    needs_nonce = True
    focus = "reason"

    def __init__(self, request: StaffRequest, batch: ShownBatch[BatchRow], partner: PartnerRow) -> None:
        super().__init__(request)
        self.batch = batch
        self.subject = _(
            "Batch %(batch)s of %(partner)s: %(made)s of %(quantity)s tickets are generated.",
            batch=batch.row.batch_id,
            partner=partner.name,
            made=formats.number(batch.made),
            quantity=formats.number(batch.row.quantity),
        )
        self.cancel_address = batch.address()

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the batch that the URL names."""
        batch = await batch_of_url(request)
        return cls(request, batch, (await partners_by_id(request.database))[batch.partner_id])

    @property
    def caller(self) -> OnBehalf:
        """The member, on behalf of the partner."""
        return OnBehalf(self.batch.partner_id, self.batch.row.channel, self.request.member.actor)

    def stock_row(self, tickets: int) -> Row:
        """Return how much stock becomes available again."""
        return Row(
            _("Stock available again"),
            _(
                "%(tickets)s in the channel %(channel)s",
                tickets=formats.number(tickets),
                channel=self.batch.row.channel,
            ),
        )


class CancelBatch(_BatchChange):
    """Cancel the unused tickets of a batch."""

    async def preview(self) -> Preview:
        """Return how many tickets are cancelled, and which stay."""
        batch = self.batch
        unused, to_make = batch.row.pre_generated, batch.row.to_make
        stay = [
            f"{count:,} {state_in_sentence(status)}"
            for status, count in batch.counts or ()
            if status != "PRE_GENERATED" and count
        ]
        rows = [Row(_("Cancelled"), _("%(tickets)s unused tickets", tickets=formats.number(unused)))]
        if to_make:
            rows.append(Row(_("Not generated"), _("%(tickets)s tickets", tickets=formats.number(to_make))))
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
            CancelBatchRequest(self.caller, request.request_id, batch.row.batch_id, form.reason, key)
        )
        return batch.address(done="cancelled")


class StopBatch(_BatchChange):
    """Stop the generation of a batch."""

    async def preview(self) -> Preview:
        """Return how many tickets are not generated."""
        batch = self.batch
        return Preview(
            _("Stop generating"),
            self.subject,
            [
                Row(_("Not generated"), _("%(tickets)s tickets", tickets=formats.number(batch.row.to_make))),
                Row(_("Unchanged"), _("%(tickets)s generated tickets", tickets=formats.number(batch.made))),
                self.stock_row(batch.row.to_make),
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
        await self.request.use(LargeBatches).stop(self.caller, self.batch.row.batch_id, form.reason)
        return self.batch.address(done="stopped")


PAGES = [
    confirm_page(f"{BATCH}/cancel", CancelBatch, Right.MAKE_BATCHES),
    confirm_page(f"{BATCH}/stop", StopBatch, Right.MAKE_BATCHES),
]
