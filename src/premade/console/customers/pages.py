"""Customers: the search by e-mail address, the export, and the erasure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

from starlette.responses import Response

from premade.console.addresses import HOME
from premade.console.change_flow import Edit, Preview, Row, edit_page
from premade.console.forms import Form, FormView, Input, by_field
from premade.console.rendering import HEADERS
from premade.console.routing import Page, StaffRequest
from premade.customers.customer import ORDERS_MAX, Customers, checked_email
from premade.customers.customer_sql import OrderOfCustomer
from premade.customers.erase import Eraser
from premade.runtime.errors import Invalid
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy
from premade.values.json_document import json_document

CUSTOMERS = f"{HOME}/customers"
ERASE = f"{CUSTOMERS}/erase"
_EMAIL_CHARACTERS_MAX = 500


class CustomerForm(Form):
    """The e-mail address of a customer."""

    email: Annotated[
        str,
        Input(
            lazy("E-mail address"),
            checked_email,
            lazy("In full. Capitals make no difference."),
            required=True,
            maxlength=_EMAIL_CHARACTERS_MAX,
            inputmode="email",
            autocapitalize="off",
            spellcheck=False,
        ),
    ]


@dataclass(frozen=True)
class _CustomersPage:
    form: FormView
    email: str
    """The address that was searched; "" before a search."""
    orders: Sequence[OrderOfCustomer]
    is_cut: bool
    shown_max: int
    is_erased: bool


def _page(
    request: StaffRequest,
    form: FormView,
    email: str = "",
    orders: Sequence[OrderOfCustomer] = (),
    *,
    is_cut: bool = False,
    status: int = 200,
) -> Response:
    is_erased = request.own_link_param("done") == "erased"
    return request.page(
        "customers/customers.html",
        _CustomersPage(form, email, orders, is_cut, ORDERS_MAX, is_erased),
        status,
    )


def _customers(request: StaffRequest) -> Customers:
    return Customers(request.database, request.runtime, request.member.actor, request.request_id)


async def _show(request: StaffRequest) -> Response:
    return _page(request, CustomerForm.view({}, focus="email"))


async def _find(request: StaffRequest) -> Response:
    """Show the orders of a customer. The address is in no URL, so that no log has it."""
    try:
        email = CustomerForm.parse(request.form).email
    except Invalid as error:
        view = CustomerForm.view(request.form, by_field(error.errors), focus="email")
        return _page(request, view, status=400)
    orders, is_cut = await _customers(request).find(email)
    view = CustomerForm.view({"email": email})
    return _page(request, view, email, orders, is_cut=is_cut, status=200 if orders else 404)


async def _export(request: StaffRequest) -> Response:
    exported = await _customers(request).export(CustomerForm.parse(request.form).email)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="customer.json"'}
    return Response(json_document(exported), media_type="application/json", headers=headers)


class EraseCustomer(Edit[CustomerForm]):
    """Erase a customer from all orders."""

    form = CustomerForm
    title = lazy("Erase a customer")
    cancel_address = CUSTOMERS
    focus = "email"

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change; there is no record to load."""
        return cls(request)

    async def initial(self) -> dict[str, str]:
        """Return an empty form."""
        return {}

    async def preview(self, form: CustomerForm) -> Preview:
        """Return the number of orders that lose the customer's data."""
        count = await _customers(self.request).count(form.email)
        rows = [
            Row(_("E-mail address"), form.email),
            Row(_("Orders"), formats.number(count.orders)),
            Row(_("Partners"), formats.number(count.partners)),
        ]
        if count.first_at and count.last_at:
            minute = self.request.templates.minute
            zone = self.request.runtime.zone
            rows.append(Row(_("Sold"), f"{minute(count.first_at)} - {minute(count.last_at)} {zone}"))
        return Preview(
            _("Erase the customer?"),
            "",
            rows,
            notes=[
                _(
                    "The name, the e-mail address and the phone number are erased from these orders. A payment reference that contains them is erased too."
                ),
                _(
                    "Tickets stay valid, but a guard can no longer admit them by the digits of the phone number. Amounts and the audit record stay."
                ),
                _("This cannot be undone. Backups have the data until you delete the backups."),
            ],
            save_label=_("Erase the customer"),
            is_dangerous=True,
        )

    async def save(self, form: CustomerForm) -> str:
        """Erase it."""
        request = self.request
        eraser = Eraser(request.database, request.runtime, request.member.actor, request.request_id)
        await eraser.erase_email(form.email)
        return f"{CUSTOMERS}?done=erased"


PAGES = [
    Page(CUSTOMERS, _show, _find, Right.MANAGE_CUSTOMERS),
    Page(f"{CUSTOMERS}/export", send=_export, right=Right.MANAGE_CUSTOMERS),
    edit_page(ERASE, EraseCustomer, Right.MANAGE_CUSTOMERS),
]
