"""Query parameters that name a partner, a product or one of several choices."""

from enum import StrEnum
from typing import TypeVar

from premade.console.routing import StaffRequest
from premade.runtime.errors import FieldError, Invalid
from premade.texts.fields import field_text
from premade.texts.translation import lazy
from premade.values.operator_input import plain_number

ChoiceT = TypeVar("ChoiceT", bound=StrEnum)
_SUBJECTS = {"partner": lazy("partner"), "product": lazy("product")}


def partner_id_param(request: StaffRequest) -> int | None:
    """Return the partner that the URL names, or None.

    Raises:
        Invalid: the parameter is not a number.
    """
    return number_param(request, "partner")


def number_param(request: StaffRequest, name: str) -> int | None:
    """Return a number of the query, or None.

    Raises:
        Invalid: the parameter is not a number.
    """
    text = request.query(name)
    if not text:
        return None
    number = plain_number(text)
    if number is None:
        raise Invalid([FieldError(name, field_text("general.number_of", name=_SUBJECTS[name]))])
    return number


def choice_param(request: StaffRequest, name: str, choices: type[ChoiceT]) -> ChoiceT | None:
    """Return one of the choices from the query, or None.

    Raises:
        Invalid: the parameter is none of the choices.
    """
    text = request.query(name)
    if not text:
        return None
    if text not in set(choices):
        raise Invalid([FieldError(name, field_text("general.one_of", choices=", ".join(choices)))])
    return choices(text)
