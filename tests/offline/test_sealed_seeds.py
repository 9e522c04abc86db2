"""The seeds of the signing keys are encrypted with a master key that is not in the database."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Never
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from pydantic import ValidationError
from support.postgres import empty_database, own_database
from support.service import MASTER_KEY, Service, environment_for, running_service
from support.shop import Shop
from support.signing_seeds import make_plain, seeds_of
from support.terminal import Operator, command

from premade.bootstrap import bring_up_to_date, database_to_serve
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.runtime.master_keys import (
    CannotUnseal,
    MasterKeyMissing,
    MasterKeys,
    configured_master_keys,
    new_master_key,
)
from premade.runtime.settings import Settings, read_master_key
from premade.tickets.sealing import SeedsNotSealed, seal_signing_keys, unopened_keys
from premade.tickets.signing import (
    Signers,
    SigningKeyMissing,
    add_keys_after_restore,
    list_signing_keys,
    rotate_signing_key,
)

OTHER = MasterKeys((b"o" * 32,))


@pytest.fixture(scope="module")
def module_dsn(dsn: str) -> Iterator[str]:
    with own_database(dsn) as own:
        yield own


@pytest.fixture
def shop(module_dsn: str) -> Iterator[Shop]:
    """A shop whose keys are as they were, after the test."""
    shop = Shop(module_dsn, "http://nowhere")
    columns = "key_id, seed, sealed_seed, public_key, created_at, retired_at"
    before = shop.sql(f"SELECT {columns} FROM signing_keys")
    yield shop
    shop.sql("DELETE FROM signing_keys")
    for row in before:
        shop.sql(f"INSERT INTO signing_keys ({columns}) VALUES (%s, %s, %s, %s, %s, %s)", *row.values())


def with_keys(shop: Shop, *keys: bytes) -> Shop:
    return replace(shop, runtime=replace(shop.runtime, master_keys=lambda: MasterKeys(keys)))


def sealed_of(shop: Shop) -> dict[str, Any]:
    return {
        row["key_id"]: row["sealed_seed"] for row in shop.sql("SELECT key_id, sealed_seed FROM signing_keys")
    }


def test_a_new_database_has_no_plain_seed(shop: Shop) -> None:
    shop.operate(rotate_signing_key)

    assert shop.sql("SELECT FROM signing_keys WHERE seed IS NOT NULL OR sealed_seed IS NULL") == []
    assert all(key.is_sealed for key in shop.operate(lambda db, _: list_signing_keys(db)))
    with pytest.raises(psycopg.errors.CheckViolation, match="signing_key_has_one_seed"):
        shop.sql("UPDATE signing_keys SET seed = %s", bytes(32))


def test_a_sealed_seed_opens_only_for_its_key_and_unchanged(shop: Shop) -> None:
    keys = configured_master_keys()
    sealed = keys.seal(b"seed", "one")

    assert keys.unseal(sealed, "one") == b"seed"
    assert b"seed" not in sealed
    assert sealed != keys.seal(b"seed", "one")
    changed = [
        sealed[:place] + bytes([sealed[place] ^ 1]) + sealed[place + 1 :] for place in range(len(sealed))
    ]
    for wrong in [*changed, sealed[:-1], sealed[:20], b""]:
        with pytest.raises(CannotUnseal):
            keys.unseal(wrong, "one")
    with pytest.raises(CannotUnseal):
        keys.unseal(sealed, "two")
    with pytest.raises(CannotUnseal):
        OTHER.unseal(sealed, "one")
    shop.sql(
        "UPDATE signing_keys SET sealed_seed = (SELECT sealed_seed FROM signing_keys WHERE key_id = 'T1')"
    )
    with pytest.raises(SigningKeyMissing, match="no master key"):
        shop.operate(lambda db, runtime: Signers(db, runtime).by_id("K1"))


def test_the_master_key_is_rotated(shop: Shop) -> None:
    [old], new = configured_master_keys().keys, b"n" * 32
    seeds = seeds_of(shop.dsn)

    with pytest.raises(SeedsNotSealed, match="K1, T1"):
        with_keys(shop, new).operate(seal_signing_keys)
    done = with_keys(shop, new, old).operate(seal_signing_keys)
    again = with_keys(shop, new, old).operate(seal_signing_keys)

    assert (done.sealed, sorted(done.resealed), done.unchanged) == ([], ["K1", "T1"], [])
    assert sorted(again.unchanged) == ["K1", "T1"]
    signer = with_keys(shop, new).operate(lambda db, runtime: Signers(db, runtime).by_id("K1"))
    assert signer.key.encode() == seeds["K1"]
    assert with_keys(shop, old).operate(unopened_keys) == ["K1", "T1"]


def test_seeds_of_an_upgraded_database_stay_plain_until_the_command(shop: Shop) -> None:
    make_plain(shop.dsn)
    seeds = seeds_of(shop.dsn)
    plain = shop.operate(rotate_signing_key)
    assert not plain.is_sealed, "a process of 0.2.0 could not sign with it"

    with psycopg.connect(make_conninfo(shop.dsn, application_name="premade 0.2.0 worker web-1 4711")):
        refusal = Operator(shop.dsn).is_refused("signing-key", "seal")
    assert "premade 0.2.0 worker web-1 4711" in refusal
    done = shop.operate(seal_signing_keys)

    assert done.sealed == ["K1", "K2", "T1"]
    assert set(sealed_of(shop)) == {"K1", "K2", "T1"}
    assert {key_id: seed for key_id, seed in seeds_of(shop.dsn).items() if key_id != "K2"} == seeds
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'signing_key.sealed' ORDER BY event_id DESC LIMIT 1"
    )
    assert event["data"] == {"signing_key_ids": ["K1", "K2", "T1"]}
    assert shop.operate(rotate_signing_key).is_sealed


def test_after_the_loss_of_the_master_key_new_keys_begin_anew(shop: Shop) -> None:
    poor = with_keys(shop, *OTHER.keys)
    seller = poor.seller()
    with pytest.raises(SigningKeyMissing):
        poor.operate(lambda db, runtime: Signers(db, runtime).current(seller.partner_id, None))

    poor.operate(rotate_signing_key)

    current = poor.operate(lambda db, runtime: Signers(db, runtime).current(seller.partner_id, None))
    oldest = poor.operate(lambda db, runtime: Signers(db, runtime).oldest())
    assert (current.key_id, oldest.key_id) == ("K2", "K2")


@pytest.mark.nightly
def test_a_service_without_the_master_key_serves_all_but_what_signs(
    service: Service, dsn: str, tmp_path: Path
) -> None:
    seller = Shop(dsn, service.url).seller()
    [code] = seller.tickets(1)
    environment = {**environment_for(dsn), MASTER_KEY: new_master_key()}
    with running_service(environment, tmp_path / "log", workers=1) as poor:
        http = Shop(dsn, poor.url).client(seller.key)
        refused = replace(seller, http=http).generate(1)
        sold = replace(seller, http=http).activate(code)
        ready = http.get("/readyz")
        lines = [line for line in poor.log_lines() if line["event"] == "signing_keys.cannot_open"]

    assert (refused.status_code, refused.json()["code"]) == (503, "SIGNING_KEY_MISSING")
    assert (sold.status_code, ready.status_code) == (200, 200)
    assert [line["level"] for line in lines] == ["error"]
    assert {"K1", "T1"} <= set(lines[0]["signing_key_ids"])  # pyright: ignore[reportArgumentType]


def test_the_first_start_creates_the_file_and_nothing_replaces_it(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(MASTER_KEY)
    monkeypatch.setenv("PREMADE_DATA_DIR", str(tmp_path / "var"))
    notes: list[str] = []
    with empty_database(dsn) as own:
        bring_up_to_date(own, Runtime(ZoneInfo("UTC")), report=notes.append)
        file = tmp_path / "var" / "master.key"
        text = file.read_text()
        bring_up_to_date(own, Runtime(ZoneInfo("UTC")), report=notes.append)
        assert seeds_of(own).keys() == {"K1", "T1"}

        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert (file.read_text(), list(file.parent.iterdir())) == (text, [file])
        assert len([note for note in notes if str(file) in note]) == 1
        monkeypatch.setenv("PREMADE_DATA_DIR", str(tmp_path / "elsewhere"))
        bring_up_to_date(own, Runtime(ZoneInfo("UTC")))
        with pytest.raises(MasterKeyMissing, match="There is no master key in"):
            configured_master_keys()
        refusal = Operator(own).is_refused(
            "signing-key", "rotate", **{MASTER_KEY: "", "PREMADE_MASTER_KEY_FILE": str(tmp_path / "none")}
        )
        assert "not a master key" in refusal or "no master key" in refusal


def test_on_a_server_no_key_is_created_where_the_service_does_not_look(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with empty_database(dsn) as own:
        environment = {name: value for name, value in environment_for(own).items() if name != MASTER_KEY}
        refused = command(environment, "migrate", folder=tmp_path)
        without = seeds_of(own), list(tmp_path.iterdir())
        chosen = {**environment, "PREMADE_DATA_DIR": str(tmp_path / "chosen")}
        created = command(chosen, "migrate", folder=tmp_path)

        assert refused.returncode == 1
        assert "PREMADE_MASTER_KEY_FILE" in refused.stderr.decode()
        assert without == ({}, [])
        assert created.returncode == 0, created.stderr
        assert (tmp_path / "chosen" / "master.key").exists()
        with psycopg.connect(own) as connection:
            assert connection.execute("SELECT count(*) FROM signing_keys").fetchone() == (2,)


def test_a_start_says_that_nobody_can_pass_the_second_factor(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(MASTER_KEY)
    monkeypatch.setenv("PREMADE_MASTER_KEY_FILE", str(tmp_path / "none"))
    for roles in ("", "admin"):
        settings = Settings(database_url=dsn, second_factor_roles=roles)
        with database_to_serve(settings, Runtime(ZoneInfo("UTC"))):
            printed = capsys.readouterr()
        assert ("second_factor.no_master_key" in printed.out + printed.err) == bool(roles)


def test_what_is_a_master_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = new_master_key(), new_master_key()
    url_safe = first.replace("+", "-").replace("/", "_").rstrip("=")
    assert read_master_key(f"{first}\n{second}\n") == (*read_master_key(first), *read_master_key(second))
    assert read_master_key(url_safe) == read_master_key(first)
    for wrong in ("", "short", first[:-8], f"{first} short", "0" * 64):
        monkeypatch.setenv(MASTER_KEY, wrong)
        with pytest.raises(ValidationError) as refused:
            Settings()
        assert "is not a master key" in str(refused.value)
        assert wrong == "" or wrong not in "".join(each["msg"] for each in refused.value.errors())
    monkeypatch.delenv(MASTER_KEY)
    (tmp_path / "key").write_text("no key")
    monkeypatch.setenv("PREMADE_MASTER_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(MasterKeyMissing, match="is not a master key"):
        configured_master_keys()
    assert first not in repr(Settings(master_key=first)) + repr(MasterKeys(read_master_key(first)))  # pyright: ignore[reportArgumentType]


def test_a_new_incarnation_without_the_master_key_adds_no_key_and_does_not_fail(shop: Shop) -> None:
    def missing() -> Never:
        raise MasterKeyMissing("none")

    keyless = replace(shop.runtime, master_keys=missing)

    async def add(database: Database, _runtime: Runtime) -> list[str]:
        async with database.transaction() as tx:
            return await add_keys_after_restore(tx, keyless)

    assert shop.operate(add) == []


def test_a_key_that_no_master_key_opens_is_not_tried_for_each_request(shop: Shop) -> None:
    [key, *_] = shop.operate(lambda database, _: list_signing_keys(database))
    tries: list[int] = []

    def missing() -> Never:
        tries.append(1)
        raise MasterKeyMissing("none")

    async def sign(database: Database, _runtime: Runtime) -> None:
        signers = Signers(database, replace(shop.runtime, master_keys=missing))
        for _ in range(3):
            with pytest.raises(SigningKeyMissing):
                await signers.by_id(key.key_id)

    shop.operate(sign)
    assert len(tries) == 1
