"""A dump of the database that somebody finds: it has no API key, password, session, form token, signing seed or app's secret."""

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyotp.totp import TOTP
from support.lives import dump
from support.postgres import own_database
from support.service import TEST_MASTER_KEY
from support.shop import Shop, unique
from support.signing_seeds import make_plain, seeds_of
from support.staff import PASSWORD, new_staff, sign_in

from premade.partners.keys import create_key
from premade.redemption.guard_proof import GuardProofs
from premade.runtime.settings import read_master_key
from premade.staff.second_factor import enrolment_of, set_up_own
from premade.staff.session import form_token
from premade.tickets.signing import Signers, rotate_signing_key

SCRIPT = ("--format=plain",)


def forms_of(secret: bytes) -> Iterator[bytes]:
    """The secret as it can stand in a dump: as it is, in hexadecimal, in base64 of both alphabets, and in base32."""
    yield secret
    yield binascii.hexlify(secret)
    yield base64.b32encode(secret).rstrip(b"=")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Also within something longer, which shifts the groups of three bytes. Its ends then depend on what is beside it.
        for shift in range(3):
            skipped = -shift % 3
            yield encode(secret[skipped:]).rstrip(b"=")[: (len(secret) - skipped) // 3 * 4]


def found_in(text: bytes, secrets: dict[str, bytes]) -> set[str]:
    """The names of the secrets that are in the dump, in any of these forms."""
    folded = text.lower()
    return {
        name
        for name, secret in secrets.items()
        for form in forms_of(secret)
        if form in text or (form == binascii.hexlify(secret) and form in folded)
    }


def staff_id_of(shop: Shop, name: str) -> int:
    [row] = shop.sql("SELECT staff_id FROM staff WHERE name = %s", name)
    return row["staff_id"]


@pytest.fixture(scope="module")
def lived_in(dsn: str) -> Iterator[tuple[Shop, dict[str, bytes]]]:
    """An installation with sales, keys, staff and a gate, and all of its secrets by name."""
    with own_database(dsn) as own:
        shop = Shop(own, "http://nowhere")
        seller = shop.seller()
        shop.operate(rotate_signing_key)
        gate = shop.operate(
            lambda db, runtime: create_key(db, runtime, partner=None, permissions=["gate:redeem"])
        )
        name = unique("mei")
        new_staff(shop, name, "gate")
        signed_in = sign_in(shop, name)
        member = staff_id_of(shop, name)
        app = enrolment_of(shop.runtime, member, name, signed_in.token)
        code = TOTP(app.secret).at(shop.runtime.now())
        shop.operate(
            lambda db, runtime: set_up_own(db, runtime, member, signed_in.token, code, f"staff:{member}")
        )
        proof = shop.operate(lambda db, runtime: GuardProofs(runtime, Signers(db, runtime)).issue(1))
        [master_key] = read_master_key(TEST_MASTER_KEY)
        secrets = {
            "API key of a partner": seller.key.encode(),
            "secret part of it": seller.key.rpartition("_")[2].encode(),
            "API key of a gate": gate.key.encode(),
            "secret part of that": gate.key.rpartition("_")[2].encode(),
            "password": PASSWORD.encode(),
            "session": signed_in.token.encode(),
            "browser": signed_in.browser.encode(),
            "form token": form_token(signed_in.token).encode(),
            "guard proof": proof.rpartition(".")[2].encode(),
            "authenticator app": app.secret.encode(),
            "secret of the app": base64.b32decode(app.secret),
            "master key": master_key,
            **{f"seed of {key_id}": seed for key_id, seed in seeds_of(own).items()},
        }
        yield shop, secrets


def test_a_dump_has_none_of_the_secrets(lived_in: tuple[Shop, dict[str, bytes]], tmp_path: Path) -> None:
    shop, secrets = lived_in
    assert len(secrets) >= 15

    dump(shop.dsn, tmp_path / "dump", *SCRIPT)

    text = (tmp_path / "dump").read_bytes()
    assert all(table in text for table in (b"api_keys", b"signing_keys", b"staff_sessions"))
    assert found_in(text, secrets) == set()


def test_the_search_finds_each_form_of_a_secret(
    lived_in: tuple[Shop, dict[str, bytes]], tmp_path: Path
) -> None:
    shop, secrets = lived_in
    seeds = {name for name in secrets if name.startswith("seed of")}
    make_plain(shop.dsn)

    dump(shop.dsn, tmp_path / "dump", *SCRIPT)

    assert found_in((tmp_path / "dump").read_bytes(), secrets) == seeds
    secret = bytes(range(200, 232))
    for before in (b"", b"x", b"xx"):
        longer = before + secret + b"yy"
        for text in (
            base64.b64encode(longer),
            base64.urlsafe_b64encode(longer),
            longer.hex().upper().encode(),
        ):
            assert found_in(b"... " + text + b" ...", {"it": secret}) == {"it"}
