"""Search for a ticket or orders of any partner: by code, id, scanned QR, e-mail address, phone number or payment reference."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from premade.activation.customer import national_digits, payment_reference, phone
from premade.console.tickets import search_sql as sql
from premade.customers.address import readings_of_email
from premade.postgres.database import Database
from premade.tickets.code import (
    fold_order_id,
    fold_ticket_code,
    fold_token,
    split_token,
)
from premade.values.texts import cleaned, without_invisible

ORDERS_SHOWN_MAX = 50
SEARCH_CHARACTERS_MAX = 500
"""More than the longest QR token or e-mail address."""
PHONE_END_DIGITS_MIN = 7
"""The number of last digits in the index of phone numbers."""
_WRAPPED = re.compile(r"[\r\n\t]+")
"""Line breaks that mail programs put into a long token. Blanks belong to the token."""
_TEL = "tel:"
_TRUNK_PREFIXES = ("0", "06", "8", "")
"""Trunk prefixes: most of the world, Hungary, Russia and its neighbours, or none."""


class Like(StrEnum):
    """A value that several orders can share."""

    EMAIL = "email"
    PHONE = "phone"
    PAYMENT = "payment"


@dataclass(frozen=True)
class SearchedTicket:
    """A text that names one ticket. `token` is set if the text was a QR."""

    ticket_code: str
    token: str | None = None


@dataclass(frozen=True)
class SearchedOrder:
    """A text that names one order."""

    order_id: str


@dataclass(frozen=True)
class SearchedSales:
    """A text that several orders may share, with its possible readings, the likeliest first."""

    readings: tuple[tuple[Like, str], ...]


Searched = SearchedTicket | SearchedOrder | SearchedSales


def read_search(text: str) -> Searched:
    """Parse a text from the search box. Pure."""
    token = fold_token(_WRAPPED.sub("", without_invisible(text)).replace("\u00a0", " "))
    if found := split_token(token):
        return SearchedTicket(found.ticket_code, token)
    if code := fold_ticket_code(text):
        return SearchedTicket(code)
    if order_id := fold_order_id(text):
        return SearchedOrder(order_id)
    text = cleaned(text)
    readings = [*_emails(text), *_phones(text), *_payments(text)]
    # PostgreSQL has no text with a NUL in it.
    return SearchedSales(tuple(each for each in dict.fromkeys(readings) if "\0" not in each[1]))


def _emails(text: str) -> Iterator[tuple[Like, str]]:
    for address in readings_of_email(text):
        yield Like.EMAIL, address


def _phones(text: str) -> Iterator[tuple[Like, str]]:
    """Yield a phone number in E.164, then the end of one, as people write it within its country."""
    text = text[len(_TEL) :] if text.lower().startswith(_TEL) else text
    with suppress(ValueError):
        # Some leave the '+' away, and some write 00 for it.
        yield Like.PHONE, phone(text if text.startswith("+") else f"+{text.removeprefix('00')}")
    digits = national_digits(text)
    for prefix in _TRUNK_PREFIXES:
        if digits.startswith(prefix) and len(digits) - len(prefix) >= PHONE_END_DIGITS_MIN:
            yield Like.PHONE, digits.removeprefix(prefix)


def _payments(text: str) -> Iterator[tuple[Like, str]]:
    with suppress(ValueError):
        yield Like.PAYMENT, payment_reference(text)


async def orders_like(database: Database, like: Like, value: str) -> tuple[Sequence[sql.FoundOrder], bool]:
    """Return at most ORDERS_SHOWN_MAX orders of all partners with this value, and whether there are more.

    A phone number also matches by its last digits. The newest order comes first; those of a payment are grouped by partner.
    """
    rows: Sequence[sql.FoundOrder]
    async with database.single_read() as tx:
        if like is Like.EMAIL:
            rows = await tx.fetch_all(sql.orders_of_email, value=value, rows=ORDERS_SHOWN_MAX + 1)
        elif like is Like.PHONE:
            rows = await tx.fetch_all(sql.orders_of_phone, value=value, rows=ORDERS_SHOWN_MAX + 1)
        else:
            rows = await tx.fetch_all(sql.orders_of_payment, value=value, rows=ORDERS_SHOWN_MAX + 1)
    return rows[:ORDERS_SHOWN_MAX], len(rows) > ORDERS_SHOWN_MAX


async def tickets_of_order(database: Database, partner_id: int, codes: list[str]) -> list[sql.TicketOfOrder]:
    """Return the tickets that an order names."""
    async with database.single_read() as tx:
        return await tx.fetch_all(sql.tickets_of_order, partner_id=partner_id, ticket_codes=codes)
