"""The form of a change that asks for a reason only."""

from typing import Annotated

from premade.console.forms import Form, Input
from premade.texts.translation import lazy
from premade.tickets.change import REASON_CHARACTERS_MAX, checked_reason


class ReasonForm(Form):
    """Why a ticket or a batch is changed. Kept in the audit record."""

    reason: Annotated[
        str,
        Input(
            lazy("Reason"),
            checked_reason,
            lazy("Kept in the audit record; the partner sees it. Do not enter personal data."),
            required=True,
            maxlength=REASON_CHARACTERS_MAX,
        ),
    ]
