"""Keys that sign QR tokens come and go, and a token says by which it holds."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from support.gate import gate_client
from support.postgres import own_database
from support.service import environment_for, running_service
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.bootstrap import bring_up_to_date
from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.postgres import database
from premade.postgres.database import open_database
from premade.runtime.errors import DatabaseAway
from premade.tickets.code import read_token
from premade.tickets.signing import (
    KEYS_MAX,
    RETIRE_AFTER_SECONDS,
    SIGNER_CACHE_SECONDS,
    VERIFIER_CACHE_SECONDS,
    Signers,
    SigningKeyInUse,
    SigningKeysExhausted,
    Verifiers,
    list_signing_keys,
    retire_signing_key,
    rotate_signing_key,
)

KEYS = "/.well-known/premade-keys.json"


@pytest.fixture
def own_shop(dsn: str) -> Iterator[Shop]:
    """On a database of its own, whose keys can be retired without harm to other tests."""
    with own_database(dsn) as own:
        yield Shop(own, "http://nowhere")


@pytest.fixture
def operator(own_shop: Shop) -> Operator:
    return Operator(own_shop.dsn)


def pass_a_minute(shop: Shop) -> None:
    shop.sql("UPDATE signing_keys SET created_at = created_at - %s", timedelta(seconds=RETIRE_AFTER_SECONDS))


def generate(shop: Shop, seller: Seller, quantity: int = 1) -> list[str]:
    """The tokens of a new batch."""
    batch = shop.operate(
        lambda database, runtime: Generator(database, runtime, Signers(database, runtime)).generate(
            Caller(seller.key_id, seller.partner_id, seller.channel),
            "r",
            BatchRequest(seller.product_id, quantity, unique("BATCH")),
        )
    )
    return [ticket.token for ticket in batch.tickets]


def test_the_public_keys_are_there_for_anybody(shop: Shop) -> None:
    answer = shop.client().get(KEYS)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "public, max-age=300"
    for key in answer.json()["keys"]:
        assert key.keys() == {"key_id", "algorithm", "public_key", "created_at", "current", "test"}
        assert (key["algorithm"], len(key["public_key"])) == ("Ed25519", 43)
    current = [key for key in answer.json()["keys"] if key["current"]]
    assert [(key["key_id"][0], key["test"]) for key in current] == [("K", False), ("T", True)]
    assert "seed" not in answer.text


def test_a_rotation_makes_a_new_current_key_and_old_tokens_stay_valid(
    own_shop: Shop, operator: Operator, tmp_path: Path
) -> None:
    seller = own_shop.seller()
    [old] = generate(own_shop, seller)

    made = operator.does("signing-key", "rotate")

    [new] = generate(own_shop, seller)
    keys = {key.key_id: key.public_key for key in own_shop.operate(lambda db, _: list_signing_keys(db))}
    assert [token.split(":")[3] for token in (old, new)] == ["K1", made["key_id"]] == ["K1", "K2"]
    assert read_token(old, keys)
    assert read_token(new, keys)
    assert [(key["key_id"], key["current"]) for key in operator.does("signing-key", "list")] == [
        ("K1", False),
        ("K2", True),
        ("T1", True),
    ]
    told = own_shop.sql(
        "SELECT data, actor FROM audit_events WHERE event = 'signing_key.added' ORDER BY event_id"
    )
    assert [row["data"]["signing_key_id"] for row in told] == ["K1", "T1", "K2"]


def test_tickets_of_test_partners_are_signed_with_test_keys(own_shop: Shop, operator: Operator) -> None:
    live, test = own_shop.seller(), own_shop.seller(is_test=True)
    first = [generate(own_shop, seller)[0] for seller in (live, test)]

    made = operator.does("signing-key", "rotate", "--test")

    second = [generate(own_shop, seller)[0] for seller in (live, test)]
    assert (made["key_id"], made["test"], made["current"]) == ("T2", True, True)
    assert [token.split(":")[3] for token in first + second] == ["K1", "T1", "K1", "T2"]
    told = [operator.does("verify", token) for token in (first[0], *second)]
    assert [(each["valid"], each["key_id"], each["test"]) for each in told] == [
        (True, "K1", False),
        (True, "K1", False),
        (True, "T2", True),
    ]
    assert "test ticket" in told[-1]["detail"]
    pass_a_minute(own_shop)
    assert "signs new tokens" in operator.is_refused("signing-key", "retire", "T2", "--yes")
    assert "--test" in operator.is_refused("signing-key", "retire", "T2", "--yes")
    assert operator.does("signing-key", "retire", "T1", "--yes")["key_id"] == "T1"


def test_a_database_whose_test_keys_are_missing_gets_one_at_the_next_migration(own_shop: Shop) -> None:
    own_shop.sql("DELETE FROM signing_keys WHERE key_id = 'T1'")

    bring_up_to_date(own_shop.dsn, own_shop.runtime)
    bring_up_to_date(own_shop.dsn, own_shop.runtime)

    keys = own_shop.operate(lambda database, _: list_signing_keys(database))
    assert [(key.key_id, key.is_current) for key in keys] == [("K1", True), ("T1", True)]


def test_two_rotations_at_once_make_two_keys(own_shop: Shop) -> None:
    async def both(database: Any, runtime: Any) -> list[str]:
        async with open_database(own_shop.dsn, connections_max=4) as wide:
            made = await asyncio.gather(*(rotate_signing_key(wide, runtime) for _ in range(4)))
            return sorted(key.key_id for key in made)

    assert own_shop.operate(both) == ["K2", "K3", "K4", "K5"]


def test_the_tenth_key_is_newer_than_the_ninth_whatever_the_clocks_say(own_shop: Shop) -> None:
    for _ in range(9):
        own_shop.operate(rotate_signing_key)
    own_shop.sql("UPDATE signing_keys SET created_at = '2001-01-01' WHERE key_id = 'K10'")
    seller = own_shop.seller()

    [token] = generate(own_shop, seller)

    assert token.split(":")[3] == "K10"
    assert [key.is_current for key in own_shop.operate(lambda db, _: list_signing_keys(db))] == [
        *[False] * 9,
        True,
        True,  # T1
    ]


def test_a_worker_signs_with_the_new_key_as_soon_as_it_looks_again(own_shop: Shop) -> None:
    seller = own_shop.seller()

    async def keys_in_turn(database: Any, runtime: Any) -> list[str]:
        seconds, incarnation_id = 0.0, uuid4()
        signers = Signers(database, type(runtime)(runtime.zone, monotonic_seconds=lambda: seconds))
        first = await signers.current(seller.partner_id, incarnation_id)
        await rotate_signing_key(database, runtime)
        seconds = SIGNER_CACHE_SECONDS - 1
        kept = await signers.current(seller.partner_id, incarnation_id)
        seconds = SIGNER_CACHE_SECONDS
        return [
            signer.key_id
            for signer in (first, kept, await signers.current(seller.partner_id, incarnation_id))
        ]

    assert own_shop.operate(keys_in_turn) == ["K1", "K1", "K2"]


def test_a_worker_tells_of_a_new_key_as_soon_as_it_looks_again(own_shop: Shop) -> None:
    async def keys_in_turn(database: Any, runtime: Any) -> list[int]:
        seconds = 0.0
        verifiers = Verifiers(database, type(runtime)(runtime.zone, monotonic_seconds=lambda: seconds))
        first = await verifiers.public_keys()
        await rotate_signing_key(database, runtime)
        seconds = VERIFIER_CACHE_SECONDS - 1
        kept = await verifiers.public_keys()
        seconds = VERIFIER_CACHE_SECONDS
        return [len(keys) for keys in (first, kept, await verifiers.public_keys())]

    assert own_shop.operate(keys_in_turn) == [2, 2, 3]


def test_when_the_keys_cannot_be_had_all_who_wait_for_them_learn_it_at_once(
    own_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "POOL_WAIT_SECONDS", 0.5)
    [token] = generate(own_shop, own_shop.seller())

    async def many_at_once(database: Any, runtime: Any) -> tuple[set[type], float]:
        verifiers = Verifiers(database, runtime)
        async with database.transaction():  # The only connection.
            started = time.monotonic()
            read = (verifiers.read(token) for _ in range(20))
            failed = await asyncio.gather(*read, return_exceptions=True)
            took = time.monotonic() - started
        assert await verifiers.read(token)
        return {type(each) for each in failed}, took

    kinds, took = own_shop.operate(many_at_once)
    assert kinds == {DatabaseAway}
    assert took < 5


def test_there_is_no_thousandth_key(own_shop: Shop) -> None:
    own_shop.sql(
        "INSERT INTO signing_keys (key_id, sealed_seed, public_key, created_at)"
        " SELECT 'K' || n, sealed_seed, public_key, created_at FROM signing_keys, generate_series(2, %s) AS n WHERE key_id = 'K1'",
        KEYS_MAX,
    )

    with pytest.raises(SigningKeysExhausted):
        own_shop.operate(rotate_signing_key)


def test_the_current_key_and_one_that_may_still_sign_are_not_retired(
    own_shop: Shop, operator: Operator
) -> None:
    assert "signs new tokens" in operator.is_refused("signing-key", "retire", "K1", "--yes")
    operator.does("signing-key", "rotate")
    assert "less than" in operator.is_refused("signing-key", "retire", "K1", "--yes")
    assert "no signing key 'K7'" in operator.is_refused("signing-key", "retire", "K7", "--yes")
    with pytest.raises(SigningKeyInUse):
        own_shop.operate(lambda database, runtime: retire_signing_key(database, runtime, "K1"))
    assert own_shop.sql("SELECT FROM signing_keys WHERE retired_at IS NOT NULL") == []


@pytest.mark.nightly
def test_before_a_key_is_retired_it_is_said_whose_tokens_end(own_shop: Shop, operator: Operator) -> None:
    seller = own_shop.seller()
    first = generate(own_shop, seller, 5)
    sold, reissued, unsold = (token.split(":")[1] for token in first[:3])
    operator.does("signing-key", "rotate")
    generate(own_shop, seller, 3)
    own_shop.sql(
        """WITH sale AS (
            INSERT INTO ota_orders (order_id, partner_id, customer_name, customer_email, customer_phone, payment_reference,
                total_amount, currency, operation, request_digest, created_at, ticket_codes)
            SELECT 'ORD-0000000000001', partner_id, 'A', 'a@example.com', '+1234567890', 'P', 1, 'HKD', 'activate', '', now(),
                ARRAY[ticket_code] FROM pre_generated_tickets WHERE ticket_code = %s
            RETURNING order_id
        )
        UPDATE pre_generated_tickets SET status = 'ACTIVE', activated_at = now(), order_id = (SELECT order_id FROM sale)
        WHERE ticket_code = %s""",
        sold,
        sold,
    )
    own_shop.sql(
        "UPDATE pre_generated_tickets SET issue_number = 2, qr_code = encode(convert_to('PM1:' || ticket_code || ':2:K2:', 'UTF8'), 'base64')"
        " WHERE ticket_code = %s",
        reissued,
    )
    own_shop.sql(
        "UPDATE pre_generated_tickets SET issue_number = 2, qr_code = encode(convert_to('PM1:' || ticket_code || ':2:K1:', 'UTF8'), 'base64')"
        " WHERE ticket_code = %s",
        unsold,
    )
    pass_a_minute(own_shop)

    refused = operator.is_refused("signing-key", "retire", "K1")

    assert "3 unused and 1 ACTIVE tickets have tokens of K1" in refused
    asked = operator.run("signing-key", "retire", "K1")
    assert asked.returncode == 1
    assert "Retire the key?" in asked.stdout
    assert own_shop.sql("SELECT FROM signing_keys WHERE retired_at IS NOT NULL") == []
    done = operator.does("signing-key", "retire", "K1", "--yes")
    assert (done["key_id"], done["unused"], done["active"]) == ("K1", 3, 1)
    assert operator.does("signing-key", "retire", "K1", "--yes")["retired_at"] == done["retired_at"]
    told = own_shop.sql("SELECT data FROM audit_events WHERE event = 'signing_key.retired'")
    assert [row["data"]["signing_key_id"] for row in told] == ["K1"]


def test_the_tokens_of_a_retired_key_hold_no_longer(own_shop: Shop, operator: Operator) -> None:
    [token] = generate(own_shop, own_shop.seller())
    operator.does("signing-key", "rotate")
    pass_a_minute(own_shop)
    assert operator.does("verify", token)["valid"]

    operator.does("signing-key", "retire", "K1", "--yes")

    done = operator.run("verify", token, "--json")
    assert (done.returncode, json.loads(done.stdout)["reason"]) == (1, "KEY_UNKNOWN")


def test_a_token_is_checked_by_hand_without_a_database(seller: Seller, shop: Shop, tmp_path: Path) -> None:
    [ticket] = seller.generate(1).json()["tickets"]
    keys = tmp_path / "keys.json"
    keys.write_bytes(shop.client().get(KEYS).content)
    nowhere = Operator("postgresql://127.0.0.1:1/nowhere")

    good = nowhere.does("verify", ticket["qr_token"], "--keys", str(keys))
    bad = nowhere.run("verify", ticket["qr_token"].replace(":1:", ":3:", 1), "--keys", str(keys))

    assert good == {
        "valid": True, "reason": None, "detail": "The token is genuine.", "ticket_code": ticket["ticket_code"],
        "issue_number": 1, "key_id": good["key_id"], "test": False,
    }  # fmt: skip
    assert bad.returncode == 1
    assert "SIGNATURE_WRONG" in bad.stdout
    assert ticket["ticket_code"] in bad.stdout
    assert "is not valid for this text" in bad.stdout
    nothing = nowhere.run("verify", "PM1:", "--keys", str(keys))
    assert (nothing.returncode, "has not the form" in nothing.stdout) == (1, True)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"keys": [1]}', '{"keys": [{"key_id": "K1", "public_key": "AAAA"}]}']
)
def test_a_file_of_keys_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(content)
    nowhere = Operator("postgresql://127.0.0.1:1/nowhere")

    assert "premade-keys.json" in nowhere.is_refused("verify", "PM1:", "--keys", str(keys))
    assert "cannot be read" in nowhere.is_refused("verify", "PM1:", "--keys", str(tmp_path / "none"))


@pytest.mark.nightly
def test_a_gate_at_work_takes_the_tokens_of_an_old_key_until_it_is_retired(
    own_shop: Shop, operator: Operator, tmp_path: Path
) -> None:
    with running_service(environment_for(own_shop.dsn), tmp_path / "log", workers=1) as service:
        shop = Shop(own_shop.dsn, service.url)
        seller = shop.seller()
        gate = gate_client(shop, seller.name)
        [ticket] = seller.generate(1).json()["tickets"]
        assert seller.activate(ticket["ticket_code"]).status_code == 200
        operator.does("signing-key", "rotate")
        asked = {"qr": ticket["qr_token"], "device_id": "GATE-7"}

        def served() -> list[str]:
            return [key["key_id"] for key in shop.client().get(KEYS).json()["keys"]]

        seconds_max = VERIFIER_CACHE_SECONDS + 10
        until(lambda: served() == ["K1", "K2", "T1"], seconds_max)
        assert gate.post("/api/gate/inspect", json=asked).json()["ticket_code"] == ticket["ticket_code"]
        pass_a_minute(own_shop)
        operator.does("signing-key", "retire", "K1", "--yes")

        until(lambda: served() == ["K2", "T1"], seconds_max)
        until(lambda: gate.post("/api/gate/inspect", json=asked).status_code == 422, seconds_max)


def until(is_so: Callable[[], bool], seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not is_so():
        assert time.monotonic() < deadline
