"""docs/qr-token.md is enough to write a scanner: one was written from it, and agrees with the service on every token."""

import json
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright
from support.chromium import launched
from support.shop import Seller, Shop
from support.vectors import FILE, vectors, written

from premade.console.gate import pages as gate
from premade.tickets.code import ISSUE_NUMBER_MAX, TOKEN_VERSION, TokenRefused, check_token
from premade.tickets.key_file import read_key_file
from premade.tickets.picture import TOKEN_CHARACTERS_MAX
from premade.tickets.signing import KEYS_MAX

DOCS = FILE.parent
SCRIPTS = Path(gate.__file__).parent / "static"
KEYS = {"keys": vectors()["keys"]}
VERIFY = """
import { verifyQrToken } from "./verify-qr-token.mjs";
const { keys, tokens } = given;
const told = await Promise.all(tokens.map((token) => verifyQrToken(token, keys)));
"""
VERIFY_BY_LIBRARY = """
import { libraryVerifier } from "./ed25519.mjs";
import { verifyQrToken } from "./verify-qr-token.mjs";
const verify = await libraryVerifier();
const told = await Promise.all(given.tokens.map((token) => verifyQrToken(token, given.keys, verify)));
"""
ADMIT = """
import { admission, dayIn } from "./admission.mjs";
const told = given.scans.map(({ issue_number, function_code, uses, at, ticket_code, key_id }) => {
  const listed = given.snapshot.find((line) => line.ticket_code === ticket_code);
  const day = dayIn(given.time_zone, new Date(at));
  return admission(listed, issue_number, { function_code, uses, day, key_id, is_test_list: given.test });
});
"""


def expected(vector: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in vector.items() if name not in ("token", "because")}


def run_by_node(script: str, given: Any) -> list[dict[str, Any]]:
    """What `told` is after the script, which finds the page's modules beside it."""
    read = 'import { readFileSync } from "node:fs"; const given = JSON.parse(readFileSync(0));'
    done = subprocess.run(
        [
            "node",
            "--no-warnings",
            "--input-type=module",
            "--eval",
            f"{read}{script}console.log(JSON.stringify(told));",
        ],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=SCRIPTS,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def told_by_node(keys: list[dict[str, Any]], tokens: list[str], script: str = VERIFY) -> list[dict[str, Any]]:
    return run_by_node(script, {"keys": keys, "tokens": tokens})


def told_by_the_service(token: str, keys: dict[str, bytes]) -> dict[str, Any]:
    try:
        read = check_token(token, keys)
    except TokenRefused as refused:
        return {"valid": False, "reason": refused.fault.value}
    return {"valid": True, **vars(read)}


def test_the_vectors_are_what_their_seeds_make() -> None:
    assert FILE.read_text() == written(), "run: PYTHONPATH=tests .venv/bin/python -m support.vectors"


def test_the_vectors_have_every_reason_and_no_token_twice() -> None:
    tokens = vectors()["tokens"]

    assert len({vector["token"] for vector in tokens}) == len(tokens) > 25
    assert {vector["reason"] for vector in tokens if not vector["valid"]} == {
        "MALFORMED", "KEY_UNKNOWN", "SIGNATURE_MALFORMED", "SIGNATURE_WRONG",
    }  # fmt: skip
    assert (
        len(max((vector["token"] for vector in tokens if vector["valid"]), key=len))
        == TOKEN_CHARACTERS_MAX - 1
    )


@pytest.mark.parametrize("vector", vectors()["tokens"], ids=lambda vector: vector.get("because", "valid"))
def test_the_service_agrees_with_the_vectors(vector: dict[str, Any]) -> None:
    keys = read_key_file(json.dumps(KEYS).encode())

    assert told_by_the_service(vector["token"], keys) == expected(vector)


@pytest.mark.parametrize("script", [VERIFY, VERIFY_BY_LIBRARY], ids=["by WebCrypto", "by the library"])
def test_the_other_implementation_agrees_with_the_vectors(script: str) -> None:
    tokens = vectors()["tokens"]

    told = told_by_node(KEYS["keys"], [vector["token"] for vector in tokens], script)

    assert told == [expected(vector) for vector in tokens]


def test_the_other_implementation_reads_the_tokens_of_the_service(seller: Seller, shop: Shop) -> None:
    made = seller.generate(100).json()["tickets"]
    keys = shop.client().get("/.well-known/premade-keys.json").json()["keys"]
    tokens = [ticket["qr_token"] for ticket in made]

    told = told_by_node(keys, tokens + [token.replace(":1:", ":2:", 1) for token in tokens])

    assert [read.get("ticket_code") for read in told[:100]] == [ticket["ticket_code"] for ticket in made]
    assert {read["reason"] for read in told[100:]} == {"SIGNATURE_WRONG"}


def test_the_other_implementation_runs_in_a_browser() -> None:
    class Quiet(SimpleHTTPRequestHandler):
        extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SCRIPTS)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    tokens = [vector["token"] for vector in vectors()["tokens"]]
    try:
        with sync_playwright() as playwright:
            browser = launched(playwright.chromium)
            page = browser.new_page()
            page.goto(f"http://127.0.0.1:{server.server_port}/gate.css")
            told = page.evaluate(
                """async ([tokens, keys]) => {
                    const { verifyQrToken } = await import("/verify-qr-token.mjs");
                    return Promise.all(tokens.map((token) => verifyQrToken(token, keys)));
                }""",
                [tokens, KEYS["keys"]],
            )
            browser.close()
    finally:
        server.shutdown()
        server.server_close()

    assert told == [expected(vector) for vector in vectors()["tokens"]]


def test_the_page_gives_the_limits_that_hold() -> None:
    page = (DOCS / "qr-token.md").read_text()

    assert f"{TOKEN_CHARACTERS_MAX} characters" in page
    assert (ISSUE_NUMBER_MAX, KEYS_MAX, TOKEN_VERSION) == (999, 999, "PM1")
    assert (SCRIPTS / "verify-qr-token.mjs").read_text().count("import") == 1  # importKey: no dependency


def test_the_gate_page_admits_as_the_table_says() -> None:
    lists = json.loads((DOCS / "offline-admission-vectors.json").read_text())

    for given in lists:
        assert run_by_node(ADMIT, given) == [scan["told"] for scan in given["scans"]]

    codes = {scan["told"].get("code") for given in lists for scan in given["scans"]}
    assert codes == {
        None,
        "UNKNOWN",
        "QR_REVOKED",
        "EXPIRED",
        "FUNCTION_UNKNOWN",
        "USED_UP",
        "TEST_TICKET",
        "LIVE_TICKET",
    }
