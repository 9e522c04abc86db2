"""Currencies: how many decimals each has by ISO 4217, and amounts of money as text. Pure."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from iso4217 import Currency

from premade.texts.translation import gettext as _

DECIMALS: Mapping[str, int] = {
    currency.code: currency.exponent for currency in Currency if currency.exponent is not None
}
"""The decimals of each currency, by its code. Metals, test codes and the like have no minor unit and are left out."""
DECIMALS_MAX = max(DECIMALS.values())
_OF_A_WITHDRAWN_CURRENCY = 2
_MINOR_UNITS = [Decimal(1).scaleb(-decimals) for decimals in range(DECIMALS_MAX + 1)]


def decimals_of(currency: str) -> int:
    """Return the number of decimals; 2 for a code that ISO 4217 does not have, or no longer has."""
    return DECIMALS.get(currency, _OF_A_WITHDRAWN_CURRENCY)


def fits(amount: Decimal, currency: str) -> bool:
    """Return whether the amount has at most the decimals of its currency. Zeros at its end do not count."""
    return amount == amount.quantize(_MINOR_UNITS[decimals_of(currency)])


def in_full(amount: Decimal, currency: str) -> Decimal:
    """Return the amount with all decimals of its currency: 1 HKD as 1.00. Return one with too many decimals unchanged."""
    minor_unit = _MINOR_UNITS[decimals_of(currency)]
    full = amount.quantize(minor_unit)
    return full if full == amount else amount


def amount_text(amount: Decimal, currency: str) -> str:
    """Return `288.00` (HKD), `288` (JPY) or `1.234` (KWD)."""
    return f"{in_full(amount, currency):f}"


def amounts_beside(amount: Decimal, currency: str) -> tuple[Decimal, Decimal]:
    """Return the next lower and the next higher amount that fit the currency."""
    minor_unit = _MINOR_UNITS[decimals_of(currency)]
    return amount.quantize(minor_unit, ROUND_FLOOR), amount.quantize(minor_unit, ROUND_CEILING)


def decimals_phrase(currency: str) -> str:
    """Return `JPY has no decimals` or `HKD has 2 decimals`."""
    if decimals := decimals_of(currency):
        return _("%(currency)s has %(decimals)s decimals", currency=currency, decimals=decimals)
    return _("%(currency)s has no decimals", currency=currency)
