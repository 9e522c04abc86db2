"""The form of a product."""

from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from premade.catalog.product import (
    DEFAULT_CODE_PREFIX,
    Cancellation,
    Product,
    read_name,
)
from premade.catalog.product_input import NAME_CHARACTERS_MAX, read_functions, read_price
from premade.console.forms import Input, or_none
from premade.console.stock.names_form import NamesForm, names_as_typed
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.texts.translation import gettext as _
from premade.texts.translation import lazy
from premade.values.currency import DECIMALS, amount_text, decimals_phrase
from premade.values.operator_input import day, whole_number
from premade.values.texts import cleaned

CANCELLATIONS = {
    str(Cancellation.UNTIL_FIRST_USE): lazy("until the first use"),
    str(Cancellation.NEVER): lazy("never"),
}


def _cancellation(text: str) -> Cancellation:
    if text not in set(Cancellation):
        raise Invalid(
            [FieldError("cancellation", field_text("general.one_of", choices=", ".join(Cancellation)))]
        )
    return Cancellation(text)


def _in_capitals(text: str) -> str:
    return cleaned(text).upper()


def _functions(text: str) -> dict[str, int]:
    return read_functions(cleaned(text).replace(",", " ").split())


class ProductForm(NamesForm):
    """Every field of a product. Names in HTML are those of FieldError in `Product.check`."""

    product_id: Annotated[
        int,
        Input(
            lazy("Id"),
            lambda text: whole_number(text, "id"),
            lazy("A number that partners name the product by, such as 106. It cannot be changed later."),
            required=True,
            inputmode="numeric",
            maxlength=19,
        ),
    ] = Field(alias="id")
    name: Annotated[str, Input(lazy("Name"), read_name, required=True, maxlength=NAME_CHARACTERS_MAX)]
    price: Annotated[
        Decimal, Input(lazy("Price"), read_price, required=True, inputmode="decimal", maxlength=20)
    ]
    currency: Annotated[
        str,
        Input(
            lazy("Currency"),
            _in_capitals,
            required=True,
            maxlength=3,
            autocapitalize="characters",
            spellcheck=False,
        ),
    ]
    functions: Annotated[
        dict[str, int],
        Input(
            lazy("Functions and uses"),
            _functions,
            lazy("Such as ferry=2 gift=1, in the order to show them."),
            required=True,
            maxlength=2000,
            autocapitalize="none",
            spellcheck=False,
        ),
    ] = Field(alias="entitles")
    usable_days: Annotated[
        int | None,
        Input(
            lazy("Days of use after activation"),
            or_none(lambda text: whole_number(text, "usable_days")),
            inputmode="numeric",
            maxlength=6,
        ),
    ]
    usable_until: Annotated[
        date | None,
        Input(lazy("Last day of use"), or_none(lambda text: day(cleaned(text), "usable_until")), kind="date"),
    ]
    cancellation: Annotated[
        Cancellation,
        Input(lazy("Cancellation of sold tickets"), _cancellation, kind="select", autocomplete=None),
    ]
    ticket_type: Annotated[
        str,
        Input(
            lazy("Ticket type"),
            _in_capitals,
            required=True,
            maxlength=12,
            autocapitalize="characters",
            spellcheck=False,
        ),
    ] = Field(alias="type")
    code_prefix: Annotated[
        str,
        Input(
            lazy("Prefix"),
            _in_capitals,
            required=True,
            maxlength=12,
            autocapitalize="characters",
            spellcheck=False,
        ),
    ] = Field(alias="prefix")

    def product(self) -> Product:
        """Return the product of the form."""
        fields = [name for name in type(self).model_fields if name not in NamesForm.model_fields]
        return Product(**{name: getattr(self, name) for name in fields}, names=self.names())


NEW_PRODUCT = {"prefix": DEFAULT_CODE_PREFIX, "cancellation": str(Cancellation.UNTIL_FIRST_USE)}
"""The first texts in the form of a new product."""


def as_typed(product: Product) -> dict[str, str]:
    """Return the texts of the fields for this product."""
    return {
        "id": str(product.product_id),
        "name": product.name,
        "type": product.ticket_type,
        "prefix": product.code_prefix,
        "price": amount_text(product.price, product.currency),
        "currency": product.currency,
        "entitles": " ".join(f"{code}={uses}" for code, uses in product.functions.items()),
        "usable_days": "" if product.usable_days is None else str(product.usable_days),
        "usable_until": "" if product.usable_until is None else product.usable_until.isoformat(),
        "cancellation": str(product.cancellation),
        **names_as_typed(product.names),
    }


def price_hint(currency: str) -> str:
    """Return how many decimals a price has in the currency that the form names."""
    code = cleaned(currency).upper()
    if code not in DECIMALS:
        return _("With the decimals of its currency: 288.00 HKD, 288 JPY or 1.234 KWD.")
    return _(
        "Such as %(amount)s: %(decimals)s.",
        amount=amount_text(Decimal(288), code),
        decimals=decimals_phrase(code),
    )
