"""Codes, QR tokens, and pictures that another library reads."""

import base64
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey
from PIL import Image
from support.shop import Seller, Shop

from premade.generation.batch_request import BatchRequest
from premade.generation.generate import Generator
from premade.partners.keyring import Caller
from premade.runtime.clock import Runtime
from premade.tickets import picture
from premade.tickets.code import Signer, fold_order_id, fold_ticket_code, fold_token, read_token, ticket_code
from premade.tickets.signing import Signers

SEED = bytes(range(32))
SIGNER = Signer.of("K1", SEED)
KEYS = {"K1": SigningKey(SEED).verify_key.encode()}
LETTERS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=12)
CODES = st.builds(ticket_code, LETTERS, st.integers(1000, 9999), LETTERS, st.integers(0, 10**13 - 1))


def read(png: bytes) -> str:
    # As a gate's scanner is set. Among all kinds, the reader takes the rows of one picture in 5,000 for an ITF too.
    found = zxingcpp.read_barcode(
        np.array(Image.open(io.BytesIO(png)).convert("L")),
        formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode]),
    )
    assert found is not None
    return found.text


def test_a_code_is_prefix_year_type_and_13_digits() -> None:
    assert ticket_code("CRUISE", 2025, "FERRY", 1762274285982) == "CRUISE-2025-FERRY-1762274285982"


@pytest.mark.parametrize(("zone", "year"), [("UTC", "2025"), ("Asia/Hong_Kong", "2026")])
def test_the_year_is_that_of_the_operator_s_time_zone(shop: Shop, zone: str, year: str) -> None:
    seller = shop.seller()
    new_year_s_eve = Runtime(ZoneInfo(zone), now=lambda: datetime(2025, 12, 31, 16, 30, tzinfo=UTC))

    batch = shop.operate(
        lambda database, runtime: Generator(database, new_year_s_eve, Signers(database, runtime)).generate(
            Caller(seller.key_id, seller.partner_id, seller.channel),
            "r",
            BatchRequest(seller.product_id, 1, "B"),
        )
    )

    assert batch.tickets[0].ticket_code.split("-")[1] == year


@given(CODES, st.integers(1, 999))
def test_a_token_reads_back_as_what_was_signed(code: str, issue: int) -> None:
    token = read_token(SIGNER.token(code, issue), KEYS)

    assert token is not None
    assert (token.ticket_code, token.issue_number, token.key_id) == (code, issue, "K1")


@given(CODES, st.data())
def test_a_token_with_any_character_changed_does_not_hold(code: str, data: st.DataObject) -> None:
    token = SIGNER.token(code, 1)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(
        st.sampled_from("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:é").filter(lambda c: c != token[place])
    )

    assert read_token(token[:place] + other + token[place + 1 :], KEYS) is None


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_of_tokens_fail(text: str) -> None:
    assert read_token(text, KEYS) is None
    assert read_token(f"PM1:CRUISE-2025-FERRY-1762274285982:1:K1:{text}", KEYS) is None


def test_a_token_of_another_key_does_not_hold() -> None:
    forged = Signer.of("K1", bytes(32)).token("CRUISE-2025-FERRY-1762274285982", 1)

    assert read_token(forged, KEYS) is None
    assert read_token(forged, {}) is None


@settings(max_examples=200, deadline=None)
@given(CODES, st.integers(1, 999), st.sampled_from(["K1", "K42", "K999"]))
def test_another_library_reads_every_picture(code: str, issue: int, key_id: str) -> None:
    token = Signer.of(key_id, SEED).token(code, issue)

    assert read(picture.png(token)) == token


def test_a_picture_in_which_a_reader_of_all_kinds_finds_an_itf_too_is_read() -> None:
    token = (
        "PM1:WDFDGWSD-4207-LE-5852161058991:1:K10:O3K.P3VENFV2XME1HPONMMZHI44+FK7A137H3*8T.9N14W$RGTF%FM8BCATVT2O4."
        "DHTQ5 V4B4TSFYN6Y6HTPUNEA9W8SIE"
    )

    assert read(picture.png(token)) == token


def test_the_shortest_and_the_longest_token_fit_the_same_picture() -> None:
    shortest = SIGNER.token(ticket_code("AB", 2025, "CD", 1), 1)
    longest = Signer.of("K999", SEED).token(ticket_code("A" * 12, 2025, "B" * 12, 10**13 - 1), 999)

    assert len(longest) == picture.TOKEN_CHARACTERS_MAX
    assert read(picture.png(shortest)) == shortest
    assert read(picture.png(longest)) == longest
    with pytest.raises(ValueError, match="154"):
        picture.png(longest + "A")


def test_the_answer_s_picture_is_a_bare_base64_png_with_room_around_it(seller: Seller, shop: Shop) -> None:
    [ticket] = seller.generate(1).json()["tickets"]

    png = base64.b64decode(ticket["qr_code"], validate=True)
    pixels = np.array(Image.open(io.BytesIO(png)).convert("L")) < 128

    assert read(png) == ticket["qr_token"]
    rows, columns = np.nonzero(pixels)
    margin, side = rows.min(), rows.max() - rows.min() + 1
    assert (side, columns.max() - columns.min() + 1) == (41 * 4, 41 * 4)
    assert margin == columns.min() == 4 * 4
    assert pixels.shape == (49 * 4, 49 * 4)
    [row] = shop.sql(
        "SELECT qr_code FROM pre_generated_tickets WHERE ticket_code = %s", ticket["ticket_code"]
    )
    assert base64.b64decode(row["qr_code"]).decode() == ticket["qr_token"]


def test_the_token_of_an_answer_holds_with_the_public_key_of_the_database(seller: Seller, shop: Shop) -> None:
    [ticket] = seller.generate(1).json()["tickets"]
    keys = {
        row["key_id"]: bytes(row["public_key"])
        for row in shop.sql("SELECT key_id, public_key FROM signing_keys")
    }

    token = read_token(ticket["qr_token"], keys)

    assert token is not None
    assert token.ticket_code == ticket["ticket_code"]


@pytest.mark.parametrize(
    "typed",
    [
        "cruise-2025-ferry-1762274285982",
        "CRUISE2025FERRY1762274285982",
        " CRUISE 2025 FERRY 1762274285982\r\n",
        "CRUISE-2025-FERRY-\n1762274285982",
        "CRUISE\u20102025\u2013FERRY\u22121762274285982",
        "CRUISE\u00ad-2025-FERRY-1762274285982\u200b",
        "\uff23RUISE-2025-FERRY-\uff11762274285982",
    ],
)
def test_a_code_is_found_however_it_was_typed_or_pasted(typed: str) -> None:
    assert fold_ticket_code(typed) == "CRUISE-2025-FERRY-1762274285982"


@pytest.mark.parametrize(
    "typed", ["", "CRUISE", "CRUISE-2025-FERRY-176227428598", "CRUISE-2025-FERRY-17622742859821", "-" * 500]
)
def test_what_is_no_code_stays_none(typed: str) -> None:
    assert fold_ticket_code(typed) is None


@given(CODES)
def test_a_code_without_hyphens_is_one_code_only(code: str) -> None:
    assert fold_ticket_code(code.replace("-", "").lower()) == code == fold_ticket_code(code)


@given(CODES, st.integers(1, 999))
def test_what_scanners_add_to_a_token_is_taken_off(code: str, issue: int) -> None:
    token = SIGNER.token(code, issue)

    for read_as in (
        token,
        f"{token}\r\n",
        f"\t {token} \t",
        f"]Q1{token}",
        f"]q1{token.lower()}\r",
        f"\ufeff]Q3{token}\x00\x04",
        token.lower(),
    ):
        assert fold_token(read_as) == token


def test_an_order_id_is_found_however_it_was_typed() -> None:
    assert fold_order_id("ord 1762274304824 ") == fold_order_id("ORD1762274304824") == "ORD-1762274304824"
    assert fold_order_id("CRUISE-2025-FERRY-1762274285982") is None
