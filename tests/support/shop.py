"""What a test needs before it can begin: a product, stock, a partner, a key. Made by the real actions."""

import itertools
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import httpx
from psycopg.conninfo import make_conninfo

from premade.catalog.product import Product, add_product
from premade.partners.keys import CreatedKey, create_key
from premade.partners.partner import add_partner
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.stock.allotment import set_allotment
from support.operating import connected, run
from support.plain_http import NO_TLS

Result = TypeVar("Result")
PARTNER_PERMISSIONS = [name for name in PERMISSIONS if not name.startswith("gate:")]
CUSTOMER = {"name": "John Smith", "email": "john.smith@example.com", "phone": "+1234567890"}
_serial = itertools.count(int(datetime.now(UTC).timestamp()) * 1000 + os.getpid() % 1000 * 1_000_000_000_000)


def unique(start: str) -> str:
    """A name that no other test has."""
    return f"{start}-{next(_serial)}"


def sale(*, payment_reference: str = "PAY-OTA-2025-001", **customer: Any) -> dict[str, Any]:
    """To whom and for which payment, as every activation is told it: John Smith, but for what is given."""
    return {"customer_details": {**CUSTOMER, **customer}, "payment_reference": payment_reference}


@dataclass
class Seller:
    """A partner with a key and stock of one product."""

    name: str
    partner_id: int
    channel: str
    product_id: int
    key: str
    key_id: int
    http: httpx.Client
    dsn: str = ""

    def generate(
        self,
        quantity: int = 1,
        *,
        batch_id: str | None = None,
        headers: Any = None,
        **more: Any,
    ) -> httpx.Response:
        """POST bulk-generate; `dry_run=True` and other members of the body as keywords."""
        query = {"dry_run": "true"} if more.pop("dry_run", False) else {}
        body = {
            "product_id": self.product_id,
            "quantity": quantity,
            "batch_id": batch_id or unique("BATCH"),
            **more,
        }
        return self.http.post("/api/ota/tickets/bulk-generate", json=body, headers=headers, params=query)

    def tickets(self, quantity: int = 1, **more: Any) -> list[str]:
        """The codes of tickets that are generated now."""
        answer = self.generate(quantity, **more)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return [ticket["ticket_code"] for ticket in answer.json()["tickets"]]

    def reserve(self, quantity: int = 1, *, headers: Any = None, **more: Any) -> httpx.Response:
        """POST reservations; `expires_at` and other members of the body as keywords."""
        body = {"product_id": self.product_id, "quantity": quantity, **more}
        return self.http.post("/api/ota/reservations", json=body, headers=headers)

    def hold(self, quantity: int = 1, **more: Any) -> str:
        """The id of a reservation that is made now."""
        answer = self.reserve(quantity, **more)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return answer.json()["reservation_id"]

    def release(self, reservation_id: str, *, headers: Any = None) -> httpx.Response:
        """DELETE the reservation."""
        return self.http.delete(f"/api/ota/reservations/{reservation_id}", headers=headers)

    def activate(
        self, code: str, *, headers: Any = None, body: Any = None, **customer: Any
    ) -> httpx.Response:
        """POST activate for John Smith; his details as keywords, or the whole `body`."""
        wanted = sale(**customer)
        return self.http.post(
            f"/api/ota/tickets/{code}/activate", json=wanted if body is None else body, headers=headers
        )

    def draw(
        self, batch_id: str, quantity: Any = 1, *, headers: Any = None, **customer: Any
    ) -> httpx.Response:
        """POST activate on the batch for John Smith; his details as keywords."""
        wanted = {**sale(**customer), "quantity": quantity}
        return self.http.post(f"/api/ota/batches/{batch_id}/activate", json=wanted, headers=headers)

    def order(self, codes: Any, *, headers: Any = None, **customer: Any) -> httpx.Response:
        """POST an order of these tickets for John Smith; his details as keywords."""
        return self.http.post(
            "/api/ota/orders", json={**sale(**customer), "ticket_codes": codes}, headers=headers
        )


def with_clock_of(runtime: Runtime, dsn: str) -> str:
    """The DSN of a database whose clock is moved to that of `runtime`: what ends by time needs both."""
    shift = (runtime.now() - datetime.now(UTC)).total_seconds()
    return make_conninfo(dsn, options=f"-c premade.clock_shift={shift:.6f}s") if abs(shift) > 1 else dsn


def with_clock_of_the_service(dsn: str) -> str:
    """The same where the test moves the clock meanwhile: the database's is far ahead, so the service's decides."""
    return make_conninfo(dsn, options="-c premade.clock_shift=100years")


@dataclass
class Shop:
    """The operator's side, on the database of the tests."""

    dsn: str
    url: str
    runtime: Runtime = field(default_factory=lambda: Runtime(ZoneInfo("UTC")))

    def operate(self, action: Callable[[Database, Runtime], Awaitable[Result]]) -> Result:
        """Run an operator's action now."""
        return run(with_clock_of(self.runtime, self.dsn), lambda database: action(database, self.runtime))

    def sql(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What the tables say, asked past the product's own code."""
        with connected(self.dsn) as connection:
            cursor = connection.execute(query.encode(), values)
            return cursor.fetchall() if cursor.description is not None else []

    def product(self, channel: str, stock: int, **changes: Any) -> int:
        """A new product with an allotment on the channel, which must exist; answers its id."""
        fields: dict[str, Any] = {
            "product_id": next(_serial),
            "name": "Harbour Cruise Premium",
            "ticket_type": "FERRY",
            "price": Decimal("288.00"),
            "currency": "HKD",
            "functions": {"ferry": 2, "gift": 1, "tokens": 10},
            **changes,
        }
        product = Product(**fields)
        self.operate(lambda database, runtime: add_product(database, runtime, product))
        self.operate(
            lambda database, runtime: set_allotment(database, runtime, product.product_id, channel, stock)
        )
        return product.product_id

    def seller(
        self,
        *,
        stock: int = 1000,
        permissions: list[str] | None = None,
        is_test: bool = False,
        **product: Any,
    ) -> Seller:
        """A new partner on a channel of its own, with stock of a new product and a key."""
        name = unique("seller")
        partner = self.operate(
            lambda database, runtime: add_partner(database, runtime, name, channel=name, is_test=is_test)
        )
        product_id = self.product(partner.channel, stock, **product)
        made = self.key(name, permissions or PARTNER_PERMISSIONS)
        return Seller(
            name,
            partner.partner_id,
            name,
            product_id,
            made.key,
            made.id,
            self.client(made.key),
            self.dsn,
        )

    def key(self, partner: str, permissions: list[str], **more: Any) -> CreatedKey:
        """A further key of the partner."""
        return self.operate(
            lambda database, runtime: create_key(
                database, runtime, partner=partner, permissions=permissions, **more
            )
        )

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client of the service, with the key."""
        headers = {} if key is None else {"X-API-Key": key}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, trust_env=False, verify=NO_TLS)
