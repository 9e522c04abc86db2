"""API keys that are none: the database is hardly asked for them, and an address that sends many is told to stop. A key that
works does so whatever else comes from its address.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
from prometheus_client import REGISTRY
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop

from premade.partners.key_lookup import (
    WRONG_KEPT_SECONDS,
    WRONG_KEYS_MAX,
    WRONG_WINDOW_SECONDS,
    TooManyWrongKeys,
    WrongKeys,
)
from premade.partners.keyring import ApiKeyInvalid, Keyring
from premade.postgres.database import Database
from premade.runtime.clock import Runtime

ADDRESS = "198.51.100.7"
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


def wrong_key(number: int) -> str:
    prefix = "".join(LETTERS[number // len(LETTERS) ** place % len(LETTERS)] for place in range(10))
    return f"pm_live_{prefix}_{'z' * 40}"


def look_ups() -> float:
    return (
        REGISTRY.get_sample_value(
            "premade_database_statement_duration_seconds_count", {"statement": "partners.keys_by_prefix"}
        )
        or 0
    )


async def refusal(keyring: Keyring, key: str, address: str = ADDRESS) -> type[Exception] | None:
    try:
        await keyring.partner_for(key, "tickets:read", address)
    except (ApiKeyInvalid, TooManyWrongKeys) as error:
        return type(error)
    return None


def test_a_flood_of_wrong_keys_asks_the_database_a_few_times_and_stops_no_right_key(
    shop: Shop, seller: Seller
) -> None:
    count = 900

    async def flood(database: Database, runtime: Runtime) -> tuple[list[object], list[object], float]:
        keyring, before = Keyring(database, runtime), look_ups()
        wrong = [asyncio.create_task(refusal(keyring, wrong_key(number))) for number in range(count)]
        await asyncio.sleep(0)
        # Never seen before, from the same address, in the middle of it; and once more, when it is known.
        right = [await refusal(keyring, seller.key) for _ in range(2)]
        return list(await asyncio.gather(*wrong)), list(right), look_ups() - before

    wrong, right, asked = shop.operate(flood)

    assert right == [None, None]
    assert wrong.count(ApiKeyInvalid) == WRONG_KEYS_MAX
    assert wrong.count(TooManyWrongKeys) == count - WRONG_KEYS_MAX
    assert 1 <= asked <= 5


def test_a_wrong_key_is_remembered_for_a_moment(shop: Shop) -> None:
    async def ask(database: Database, runtime: Runtime) -> list[float]:
        clock = [0.0]
        keyring, before = Keyring(database, replace(runtime, monotonic_seconds=lambda: clock[0])), look_ups()
        asked: list[float] = []
        for clock[0] in (0.0, WRONG_KEPT_SECONDS - 0.01, WRONG_KEPT_SECONDS):
            assert await refusal(keyring, wrong_key(1)) is ApiKeyInvalid
            asked.append(look_ups() - before)
        return asked

    assert shop.operate(ask) == [1, 1, 2]


def test_addresses_are_counted_apart_and_for_a_while() -> None:
    seconds = 0.0
    wrong = WrongKeys(lambda: seconds)
    for _ in range(WRONG_KEYS_MAX):
        wrong.note(ADDRESS)
    seconds = WRONG_WINDOW_SECONDS - 0.5
    with pytest.raises(TooManyWrongKeys) as refused:
        wrong.note(ADDRESS)
    assert refused.value.retry_after_seconds == 1
    wrong.note("198.51.100.8")
    seconds = WRONG_WINDOW_SECONDS
    wrong.note(ADDRESS)


@pytest.fixture
def alone(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Nobody else's wrong keys are counted in it."""
    with running_service(environment_for(dsn), tmp_path_factory.mktemp("keys") / "log", workers=1) as service:
        yield service


@pytest.mark.nightly
def test_over_http_it_is_429_with_the_time_to_wait_and_a_right_key_is_taken(dsn: str, alone: Service) -> None:
    shop = Shop(dsn, alone.url)
    seller = shop.seller()
    with shop.client(wrong_key(7)) as client:
        answers = [client.get("/api/ota/inventory") for _ in range(WRONG_KEYS_MAX + 1)]
    last: httpx.Response = answers.pop()

    assert {answer.status_code for answer in answers} == {401}
    assert (last.status_code, last.json()["code"]) == (429, "TOO_MANY_WRONG_KEYS")
    assert 1 <= int(last.headers["retry-after"]) <= WRONG_WINDOW_SECONDS
    assert seller.http.get("/api/ota/inventory").status_code == 200
    # One that was made just now, too; and what was right and is no longer says why.
    assert (
        shop.client(shop.key(seller.name, ["inventory:read"]).key).get("/api/ota/inventory").status_code
        == 200
    )
