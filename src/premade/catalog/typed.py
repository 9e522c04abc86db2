"""A product as people type it into a form, and back. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

from premade.catalog.product import Cancellation, Product, read_functions, read_name, read_price
from premade.runtime.errors import FieldError, Invalid
from premade.values.currency import amount_text
from premade.values.operator_input import day, whole_number
from premade.values.texts import cleaned

Reader = Callable[[str], Any]


def _cancellation(text: str) -> Cancellation:
    if text not in set(Cancellation):
        raise Invalid([FieldError("cancellation", f"Must be one of {', '.join(Cancellation)}")])
    return Cancellation(text)


def _in_capitals(text: str) -> str:
    return cleaned(text).upper()


_FIELDS: dict[str, tuple[str, Reader]] = {
    "id": ("product_id", lambda text: whole_number(text, "id")),
    "name": ("name", read_name),
    "type": ("ticket_type", _in_capitals),
    "prefix": ("code_prefix", _in_capitals),
    "price": ("price", read_price),
    "currency": ("currency", _in_capitals),
    "entitles": ("functions", lambda text: read_functions(cleaned(text).replace(",", " ").split())),
    "usable_days": ("usable_days", lambda text: whole_number(text, "usable_days") if cleaned(text) else None),
    "usable_until": ("usable_until", lambda text: day(cleaned(text) or None, "usable_until")),
    "cancellation": ("cancellation", _cancellation),
}
"""By its name in a form, as in FieldError: which field of a Product it is, and how it is read."""
FIELDS = tuple(_FIELDS)


def read_fields(typed: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a Product that were typed. Invalid lists all that cannot be read."""
    read: dict[str, Any] = {}
    wrong: list[FieldError] = []
    for name, text in typed.items():
        field, reader = _FIELDS[name]
        try:
            read[field] = reader(text)
        except Invalid as error:
            wrong += error.errors
    if wrong:
        raise Invalid(wrong)
    return read


def as_typed(product: Product) -> dict[str, str]:
    """What somebody would type to have this product."""
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
    }
