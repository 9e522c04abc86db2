"""Generating, selling and expiring at a moment that the test chooses, by the actions themselves."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg

from premade.activation.activate import Activated, Activator
from premade.activation.activation import Activation
from premade.expiry.expire import Expirer, Pass
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Batch, Generator
from premade.runtime.clock import Runtime
from premade.tickets.signing import Signers
from support.shop import Seller, Shop, unique
from support.taking_back import caller_of


def at_moment(shop: Shop, moment: str, zone: str = "UTC") -> Shop:
    """The shop at a moment (RFC 3339) of an operator's time zone."""
    now = datetime.fromisoformat(moment)
    return replace(shop, runtime=Runtime(ZoneInfo(zone), now=lambda: now))


def generate(shop: Shop, seller: Seller, quantity: int = 1, **more: Any) -> Batch:
    wanted = BatchRequest(seller.product_id, quantity, more.pop("batch_id", None) or unique("BATCH"), **more)
    return shop.operate(
        lambda database, runtime: Generator(database, runtime, Signers(database, runtime)).generate(
            caller_of(seller), "r", wanted
        )
    )


def activate(shop: Shop, seller: Seller, code: str) -> Activated:
    asked = Activation(caller_of(seller), "r", code, "John Smith", "john@example.com", "+1234567890", "PAY")
    return shop.operate(lambda database, runtime: Activator(database, runtime).activate(asked))


def sold_earlier(dsn: str, codes: list[str], seconds: int = 10 * 86_400) -> None:
    """As if these tickets had been activated so much earlier, past the trigger that keeps it from being changed."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute(
            "UPDATE pre_generated_tickets SET activated_at = activated_at - %s * interval '1 second'"
            " WHERE ticket_code = ANY(%s)",
            (seconds, codes),
        )


def expire(shop: Shop) -> Pass:
    return shop.operate(lambda database, runtime: Expirer(database, runtime).pass_once())


def usable_until(shop: Shop, code: str) -> date | None:
    [row] = shop.sql("SELECT usable_until FROM pre_generated_tickets WHERE ticket_code = %s", code)
    return row["usable_until"]


def state(shop: Shop, code: str) -> str:
    [row] = shop.sql("SELECT status FROM pre_generated_tickets WHERE ticket_code = %s", code)
    return row["status"]
