"""Somebody of the staff without a browser: what a program with their session gets, and what it can send."""

import hashlib
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import httpx
from support.plain_http import NO_TLS
from support.shop import Seller, Shop, unique

from premade.catalog.product import product_of
from premade.console.auth import SESSION_COOKIE
from premade.console.csrf import FORM_TOKEN
from premade.console.stock.product_form import as_typed
from premade.staff.session import TOKEN_BYTES, form_token


@dataclass
class Member:
    """A member of the staff."""

    shop: Shop
    name: str

    @property
    def staff_id(self) -> int:
        [row] = self.shop.sql("SELECT staff_id FROM staff WHERE name = %s", self.name)
        return row["staff_id"]

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the audit events of this name that they caused, or that are about them."""
        return self.shop.sql(
            "SELECT * FROM audit_events WHERE event = %s AND (actor = %s OR data->>'staff_id' = %s) ORDER BY event_id",
            event,
            f"staff:{self.staff_id}",
            str(self.staff_id),
        )


class _Text(HTMLParser):
    """The text of a page, with a blank between its pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def handle_data(self, data: str) -> None:
        self.pieces += data.split()


def text_of(html: str) -> str:
    """Return the text of a page or of a part of it, with single blanks."""
    parser = _Text()
    parser.feed(html)
    parser.close()
    return " ".join(parser.pieces)


def rows_of(html: str) -> list[list[str]]:
    """Return the texts of the cells of each row of the page's table, without its head."""
    rows = re.findall(r"<tr\b.*?</tr>", html.partition("<tbody")[2], re.DOTALL)
    return [[text_of(cell) for cell in re.findall(r"<t[dh]\b.*?</t[dh]>", row, re.DOTALL)] for row in rows]


@dataclass
class Visitor(Member):
    """A session that nobody signed in for."""

    http: httpx.Client
    token: str

    def status(self, path: str) -> int:
        """Of the page."""
        return self.http.get(path).status_code

    def page(self, path: str) -> str:
        """The page's source."""
        answer = self.http.get(path)
        assert answer.status_code == httpx.codes.OK, path
        return answer.text

    def rows(self, path: str) -> list[list[str]]:
        """Return the rows of the page's table."""
        return rows_of(self.page(path))

    def sends(self, path: str, **fields: str) -> httpx.Response:
        """The form of a page of their own session."""
        form = {FORM_TOKEN: form_token(self.token), **fields}
        return self.http.post(path, data=form)


@contextmanager
def visitor(shop: Shop, role: str) -> Generator[Visitor]:
    """A new member of the staff with this role."""
    name, token = unique("program"), shop.runtime.random_bytes(TOKEN_BYTES).hex()
    shop.sql(
        "WITH somebody AS (INSERT INTO staff (name, role, password_digest, created_at) "
        "VALUES (%s, %s, '$argon2id$none', now()) RETURNING staff_id) "
        "INSERT INTO staff_sessions (digest, staff_id, created_at, last_seen_at, expires_at) "
        "SELECT %s, staff_id, now(), now(), now() + interval '1 hour' FROM somebody",
        name,
        role,
        hashlib.sha256(token.encode()).digest(),
    )
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=shop.url, headers=headers, timeout=60, trust_env=False, verify=NO_TLS) as http:
        yield Visitor(shop, name, http, token)


def product_form(shop: Shop, seller: Seller, **typed: str) -> dict[str, str]:
    """Return the form for a change of the seller's product, with the fields that somebody typed."""
    product = shop.operate(lambda database, _: product_of(database, seller.product_id))
    was = as_typed(product)
    return {**was, **typed, **{f"was.{field}": text for field, text in was.items()}}
