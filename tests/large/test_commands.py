"""`premade generate`: killed at any moment it goes on, it shows how far it is, and says why it refuses."""

import fcntl
import os
import pty
import random
import re
import signal
import struct
import subprocess
import termios
import time
from typing import Any

import pytest
from support.large import assert_all_agrees, batch_events, command, make, once_made, seen_at_once, started
from support.shop import Seller, Shop
from support.terminal import Operator, read_until

from premade.tickets.code import check_token, stored_token
from premade.tickets.signing import list_signing_keys

SECONDS_MAX = 60


def wait_until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < deadline, what


def nobody_is_connected(shop: Shop) -> bool:
    return not shop.sql(
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


def options(seller: Seller, quantity: int, *more: str) -> list[str]:
    return command(Shop("", ""), seller, quantity, *more)[3:]


@pytest.mark.nightly
def test_killed_at_random_moments_it_goes_on_without_a_duplicate_or_a_gap(quiet_shop: Shop) -> None:
    shop, quantity = quiet_shop, 12_000
    seller = shop.seller(stock=quantity)
    chance = random.Random()
    moments = sorted(chance.randrange(quantity - 1_000) for _ in range(5))
    print("killed when so many were made:", moments)
    for moment in moments:
        maker = started(shop, command(shop, seller, quantity), stderr=subprocess.DEVNULL)
        wait_until(
            lambda moment=moment: (
                seen_at_once(shop, seller)["made"] >= moment and seen_at_once(shop, seller)["issued"]
            ),
            "it makes nothing",
        )
        maker.kill()
        assert maker.wait() == -signal.SIGKILL
        # What it had sent, PostgreSQL may still be finishing.
        wait_until(lambda: nobody_is_connected(shop), "the killed one is still connected")
        seen = assert_all_agrees(shop, seller)
        assert seen["issued"] == quantity

    told = Operator(shop.dsn).does(*options(seller, quantity))

    assert (told["made"], told["status"]) == (quantity, "MADE")
    seen = assert_all_agrees(shop, seller)
    assert (seen["tickets"], seen["issued"]) == (quantity, quantity)
    assert [event for event, _ in batch_events(shop, seller)] == ["batch.generation_begun", "batch.generated"]
    keys = {
        key.key_id: key.public_key for key in shop.operate(lambda database, _: list_signing_keys(database))
    }
    for row in shop.sql("SELECT ticket_code, qr_code FROM pre_generated_tickets ORDER BY random() LIMIT 500"):
        assert check_token(stored_token(row["qr_code"]), keys).ticket_code == row["ticket_code"]


@pytest.mark.nightly
def test_of_two_commands_at_once_one_makes_the_batch_and_the_other_says_so(quiet_shop: Shop) -> None:
    shop, quantity = quiet_shop, 10_000
    seller = shop.seller(stock=quantity)
    first = started(
        shop, command(shop, seller, quantity), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    wait_until(lambda: seen_at_once(shop, seller)["made"], "it makes nothing")
    # However slow it is, it has the batch.
    first.send_signal(signal.SIGSTOP)
    try:
        refused = Operator(shop.dsn).is_refused(*options(seller, quantity))
        made = assert_all_agrees(shop, seller)["made"]
    finally:
        first.send_signal(signal.SIGCONT)
    first.wait(SECONDS_MAX)

    assert f"Another process is generating batch LARGE: {made} of its tickets are generated." in refused
    # Having stood still for long it may have lost its connection.
    assert Operator(shop.dsn).does(*options(seller, quantity))["made"] == quantity
    assert assert_all_agrees(shop, seller)["tickets"] == quantity


@pytest.mark.nightly
def test_elsewhere_than_on_a_terminal_it_tells_in_lines_how_far_it_is(quiet_shop: Shop) -> None:
    seller = quiet_shop.seller(stock=10_000)

    done = Operator(quiet_shop.dsn).run(*options(seller, 10_000))

    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [f"{made:,} of 10,000 tickets" for made in range(0, 10_001, 1_000)]
    assert dict(line.split(maxsplit=1) for line in done.stdout.splitlines()) == {
        "batch_id": "LARGE",
        "product_id": str(seller.product_id),
        "quantity": "10000",
        "made": "10000",
        "unmade": "0",
        "status": "MADE",
    }


def on_a_terminal(shop: Shop, arguments: list[str], until: str) -> tuple[subprocess.Popen[str], str, int]:
    """The command, and what it wrote to its terminal of 80 columns until it wrote that."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = started(shop, arguments, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    return process, read_until(ours, until), ours


@pytest.mark.nightly
def test_on_a_terminal_a_bar_grows_and_is_gone_at_the_end(quiet_shop: Shop) -> None:
    shop = quiet_shop
    seller = shop.seller(stock=20_000)

    process, first, terminal = on_a_terminal(shop, command(shop, seller, 20_000, batch_id="BAR"), r"\d/20000")
    rest = read_until(terminal)
    os.close(terminal)

    assert process.stdout
    assert "MADE" in process.stdout.read()
    assert process.wait(SECONDS_MAX) == 0
    shown = [int(made) for made in re.findall(r"(\d+)/20000", first + rest)]
    assert shown == sorted(shown)
    assert len(set(shown)) > 2
    assert "━" in first + rest
    # Transient: the last thing on the terminal is its line being cleared.
    assert rest.rstrip("\r\n").endswith("\x1b[2K")


@pytest.mark.nightly
def test_interrupted_it_says_how_to_go_on_and_does(quiet_shop: Shop) -> None:
    shop = quiet_shop
    seller = shop.seller(stock=100_000)

    process, _, terminal = on_a_terminal(shop, command(shop, seller, 100_000), r"[1-9]\d*/100000")
    process.send_signal(signal.SIGINT)
    rest = read_until(terminal)
    os.close(terminal)

    assert process.wait(SECONDS_MAX) == 130
    assert process.stdout
    assert process.stdout.read() == ""
    assert "premade: Interrupted." in rest
    assert "Traceback" not in rest
    assert "discarding" not in rest
    wait_until(lambda: nobody_is_connected(shop), "it is still connected")
    seen = assert_all_agrees(shop, seller)
    assert 0 < seen["made"] < 100_000
    told = Operator(shop.dsn).does("generate", "--cancel", "--partner", seller.name, "--batch", "LARGE")
    assert (told["status"], told["made"], told["unmade"]) == ("STOPPED", seen["made"], 100_000 - seen["made"])
    assert assert_all_agrees(shop, seller)["issued"] == seen["made"]


@pytest.mark.nightly
def test_it_says_why_it_refuses(quiet_shop: Shop) -> None:
    seller = quiet_shop.seller(stock=100)
    operator = Operator(quiet_shop.dsn)
    base = ["generate", "--partner", seller.name, "--batch", "B"]
    product = ["--product", str(seller.product_id)]

    def refusal(*arguments: str) -> str:
        return operator.is_refused(*arguments)

    assert "quantity: Must be 1 to 100000" in refusal(*base, *product, "--quantity", "100001")
    assert refusal(*base).splitlines() == [
        "premade: product: Give a product id, such as --product 106",
        "premade: quantity: Give the number of tickets, such as --quantity 100000",
    ]
    assert "batch: Must be 1 to 64" in refusal(*base[:-1], "no id", *product, "--quantity", "1")
    assert "reservation: Must be" in refusal(*base, *product, "--quantity", "1", "--reservation", "R")
    assert "is not a day" in refusal(*base, *product, "--quantity", "1", "--valid-until", "soon")
    assert "There is no partner" in refusal(
        "generate", "--partner", "nobody", "--batch", "B", *product, "--quantity", "1"
    )
    assert "101 tickets were requested and 100 are available" in refusal(*base, *product, "--quantity", "101")
    assert "does not exist" in refusal(*base, "--product", "1", "--quantity", "1")
    assert "give only --partner and --batch" in refusal(*base, "--cancel", "--quantity", "1")
    assert "There is no batch B" in refusal(*base, "--cancel")
    assert operator.does(*base, *product, "--quantity", "60")["made"] == 60
    assert "differs from this request" in refusal(*base, *product, "--quantity", "61")
    assert "There is nothing to stop" in refusal(*base, "--cancel")


def test_holds_that_expired_meanwhile_give_way_and_the_answer_is_json_all_the_same(quiet_shop: Shop) -> None:
    shop = quiet_shop
    seller = shop.seller(stock=1_000)
    make(shop, seller, 100, "FIRST", report=once_made(100, lambda: None))
    shop.sql("UPDATE allotments SET held = 900 WHERE product_id = %s", seller.product_id)
    shop.sql(
        "INSERT INTO reservations (reservation_id, partner_id, product_id, channel, quantity, created_at,"
        " expires_at, request_digest) VALUES ('RSV-1762274285982', %s, %s, %s, 900, now() - interval '2 h',"
        " now() - interval '1 h', '')",
        seller.partner_id,
        seller.product_id,
        seller.channel,
    )

    told = Operator(shop.dsn).does(*options(seller, 900))

    assert told["made"] == 900
    assert assert_all_agrees(shop, seller)["held"] == 0


def test_another_partner_may_have_a_batch_of_the_same_id(quiet_shop: Shop) -> None:
    one, other = quiet_shop.seller(), quiet_shop.seller()

    make(quiet_shop, one, 10)
    make(quiet_shop, other, 20)

    assert (assert_all_agrees(quiet_shop, one)["made"], assert_all_agrees(quiet_shop, other)["made"]) == (
        10,
        20,
    )
