"""What hand scanners make of a token: other keyboard layouts, Caps Lock, line ends, identifiers; and codes typed by hand."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey
from offline.test_qr_token_page import run_by_node

from premade.tickets.code import Signer

LAYOUTS: dict[str, dict[str, str]] = json.loads(Path(__file__).with_name("keyboard_layouts.json").read_text())
"""US character → what arrives, with a combining mark for a dead key; taken from xkeyboard-config."""
SPACING = {
    "\u0300": "`",
    "\u0301": "´",
    "\u0303": "~",
    "\u0308": "¨",
    "\u030c": "ˇ",
    "\u0327": "¸",
}
READ = """
import { readScan, isWhole } from "./reading.mjs";
const told = given.map((text) => ({ ...readScan(text), whole: isWhole(text), early: isWhole(text.slice(0, -1)) }));
"""
SIGNER = Signer("K1", SigningKey(bytes(range(32))))


def tokens(quantity: int) -> list[str]:
    return [SIGNER.token(f"CRUISE-2025-FERRY-{1762274285982 + step}", 1) for step in range(quantity)]


def typed(text: str, layout: str, *, caps_lock: bool = False) -> str:
    """What arrives when a scanner types the text on a US keyboard and the computer reads it by the layout."""
    changed, arrives, dead = LAYOUTS[layout], "", ""
    for character in text:
        made = changed.get(character, character)
        if caps_lock and len(made.swapcase()) == 1:
            made = made.swapcase()
        if dead:
            joined = unicodedata.normalize("NFC", made + dead)
            alone = SPACING[dead] + ("" if made == " " else SPACING.get(made, made))
            arrives, dead = arrives + (joined if len(joined) == 1 and made != " " else alone), ""
        elif made in SPACING:
            dead = made
        else:
            arrives += made
    return arrives + SPACING.get(dead, "")


def read(texts: list[str]) -> list[dict[str, Any]]:
    return run_by_node(READ, texts)


def spellings(told: dict[str, Any]) -> list[str]:
    return [each["qr"] for each in told.get("tokens", [])]


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("caps_lock", [False, True], ids=["", "caps lock"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_token_that_came_through_another_layout_is_read(layout: str, *, caps_lock: bool) -> None:
    sent = tokens(60)

    told = read([typed(token, layout, caps_lock=caps_lock) for token in sent])

    for token, each in zip(sent, told, strict=True):
        assert token in spellings(each), (layout, token, each)
        assert len(spellings(each)) <= 32
        assert not each["early"], "submitted before it was whole"


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_identifier_before_and_a_line_end_after_it_are_no_part_of_it(layout: str) -> None:
    [token] = tokens(1)

    [told] = read([typed(f"]Q1{token}", layout) + "\r\n"])

    assert token in spellings(told)


@pytest.mark.parametrize(
    "around",
    ["{}\r\n", "{}\n", "{}\t", "  {}  ", "\t{}\r", "]Q1{}", "]Q3{}\r\n", "\ufeff{}", "\x02{}\x03", "\u200b{}\u00a0", "QR:{}"],
)  # fmt: skip
def test_what_stands_around_a_token_is_no_part_of_it(around: str) -> None:
    sent = tokens(40)

    told = read([around.format(token) for token in sent])

    assert [spellings(each)[0] for each in told] == sent


def test_small_letters_are_caps_lock_and_a_plain_token_has_one_reading() -> None:
    [token] = tokens(1)

    plain, small = read([token, token.lower()])

    assert plain["tokens"] == [{"qr": token, "layout": "US", "caps_lock": False}]
    assert small["tokens"] == [{"qr": token, "layout": "US", "caps_lock": True}]
    assert (plain["whole"], plain["early"]) == (True, False)


def test_french_caps_lock_is_a_shift_lock() -> None:
    [token] = tokens(1)
    # As Windows has it: with Caps Lock the digits come without Shift, and Shift brings the accents.
    plain = "1234567890-=./;,abcdefghijklmnopqrstuvwxyz "
    locked = "1234567890°+/§M?QBCDEFGHIJKL,NOPARSTUVZXYW "
    shifted = "$%*+:ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    shifted_locked = "'(_=mqbcdefghijkl,noparstuvzxyw"
    keys = dict(zip(plain, locked, strict=False)) | dict(zip(shifted, shifted_locked, strict=True))

    [told] = read(["".join(keys[character] for character in token)])

    assert token in spellings(told)


def test_a_foreign_code_is_foreign_and_a_garbled_one_says_why() -> None:
    [token] = tokens(1)
    dvorak = str.maketrans("-./+QWERTYUIOPSDFGHJKL:ZXCVBN", '[vz}"<>PYFGCRLOEUIDHTNS:QJKXB')

    told = read([
        "WIFI:S:harbour;T:WPA;P:secret;;", "https://example.com/PM1", "4006381333931", "hello", "constructor", token + "X",
        token[:90], token[:30], token.translate(dvorak), "P?&M garbled", "PM1ÖCRUISE",
    ])  # fmt: skip

    assert [each["kind"] for each in told[:6]] == ["foreign"] * 6
    assert [(each["kind"], each.get("code")) for each in told[6:9]] == [
        ("garbled", "INCOMPLETE"),
        ("garbled", "INCOMPLETE"),
        ("garbled", "KEYBOARD_LAYOUT"),
    ]
    assert told[10]["code"] == "KEYBOARD_LAYOUT"


@pytest.mark.parametrize(
    "text",
    [
        "CRUISE-2025-FERRY-1762274285982",
        "cruise-2025-ferry-1762274285982",
        " cruise 2025 ferry 1762274285982\r\n",
        "CRUISE2025FERRY1762274285982",
        "CRUISE–2025—FERRY‑1762274285982",
        "CRUISE-2025-FERRY-17622 74285 982",
        "CRUISE-2025-\nFERRY-1762274285982",
        typed("CRUISE-2025-FERRY-1762274285982", "French"),
        typed("CRUISE-2025-FERRY-1762274285982", "German"),
    ],
)
def test_a_ticket_code_is_read_however_it_was_typed(text: str) -> None:
    [told] = read([text])

    assert (told["kind"], told["ticket_code"]) == ("code", "CRUISE-2025-FERRY-1762274285982")
