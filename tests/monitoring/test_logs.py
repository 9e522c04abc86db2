"""What stands in the log of a running service, and what never does."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from support.postgres import closed_to_all, own_database
from support.processes import wait_until, workers
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique

from premade.runtime.logging import masked
from premade.serve import METRICS_FOLDER, NEW_FOLDER_SECONDS

EMAIL, MASKED_EMAIL = "known.only.there@example.com", "***@example.com"
PHONE, PHONE_DIGITS = "+852 9876 5432", re.compile(r"9876\D{0,3}5432")
NAME = "Somebody Unmistakable"


def a_sale_and_some_mistakes(shop: Shop) -> str:
    """The code of the ticket that is sold."""
    seller = shop.seller()
    [code] = seller.tickets()
    assert seller.activate(code, name=NAME, email=EMAIL, phone=PHONE).status_code == 200
    assert seller.activate(code, name=NAME, email=EMAIL, phone=PHONE).status_code == 409
    assert seller.activate(code, email=f"{EMAIL}@", phone=f"{PHONE}x").status_code == 400
    # Into a path, where nobody expects them.
    assert seller.http.get(f"/api/ota/orders/{EMAIL}").status_code == 404
    assert seller.http.get(f"/nothing/{EMAIL}/{PHONE.replace(' ', '')}").status_code == 404
    return code


@pytest.mark.nightly
def test_a_setting_masks_the_customer_s_address_too(dsn: str, tmp_path: Path) -> None:
    environment = environment_for(dsn, PREMADE_LOG_MASK_CUSTOMER_EMAIL="true")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        code = a_sale_and_some_mistakes(Shop(dsn, service.url))
        lines = service.log_lines()

    [sold] = [line for line in lines if line["event"] == "ota.tickets.activated"]
    assert (sold["ticket_code"], sold["customer_email"]) == (code, MASKED_EMAIL)
    assert_nothing_personal((tmp_path / "log").read_text())


@pytest.mark.nightly
def test_on_a_terminal_the_lines_are_for_reading_and_say_no_more(dsn: str, tmp_path: Path) -> None:
    environment = environment_for(dsn, PREMADE_LOG_FORMAT="console")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        code = a_sale_and_some_mistakes(Shop(dsn, service.url))
    text = re.sub(r"\x1b\[[0-9;]*m", "", (tmp_path / "log").read_text())

    [sold] = [line for line in text.splitlines() if "ota.tickets.activated" in line]
    assert f"ticket_code={code}" in sold
    assert f"customer_email={EMAIL}" in sold
    assert not any(line.startswith("{") for line in text.splitlines())
    assert_nothing_personal(text.replace(sold, ""))


@pytest.mark.nightly
def test_every_line_has_one_form_also_those_of_the_server_itself(dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(dsn), tmp_path / "log", workers=2) as service:
        a_sale_and_some_mistakes(Shop(dsn, service.url))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    told = [line["event"] for line in lines]
    assert told[0] == "service.starts"
    assert told.count("worker.serves") == 2
    assert told.index("service.serves") < told.index("service.stops") < told.index("service.stopped")
    requests = [line for line in lines if line["event"] == "http.request"]
    assert {line["status"] for line in requests} == {200, 201, 400, 404, 409}
    for line in requests:
        assert {"request_id", "method", "route", "status", "duration_ms"} <= set(line)
        assert line["route"] == "unknown" or {"partner_id", "key_id"} <= set(line)


def test_neither_a_key_nor_a_person_is_logged_wherever_a_client_puts_them(
    seller: Seller, shop: Shop, service: Service
) -> None:
    key, secret = seller.key, seller.key.rpartition("_")[2]
    before = len(service.log.read_text())
    assert seller.generate(batch_id=key, headers={"X-Request-Id": key}).status_code == 201
    seller.http.get(f"/api/ota/orders/{key}", headers={"Idempotency-Key": key})
    # A client that goes away in the middle of a body, from a path with all of it.
    address = urlsplit(service.url)
    request = f"gone-{unique('')}"
    with socket.create_connection((address.hostname or "", address.port or 0)) as client:
        client.sendall(
            f"POST /api/ota/tickets/{quote(EMAIL)}{quote(PHONE)}{key}/activate HTTP/1.1\r\nHost: here\r\n"
            f"X-API-Key: {key}\r\nX-Request-Id: {request}\r\nContent-Type: application/json\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
    deadline = time.monotonic() + 10
    while not [line for line in service.log_lines() if line.get("request_id") == request]:
        assert time.monotonic() < deadline, "the log says nothing"

    text = service.log.read_text()[before:]
    assert "http.client_went_away" in text
    assert secret not in text
    assert EMAIL.partition("@")[0] not in text
    assert not PHONE_DIGITS.search(text)
    [audited] = shop.sql(
        "SELECT request_id FROM audit_events WHERE partner_id = %s AND batch_id = %s", seller.partner_id, key
    )
    assert secret not in audited["request_id"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("for john.smith=vip@example.com, o'connor@example.com", "for ***@example.com, ***@example.com"),
        (f"{'x' * 70}@example.com", "***@example.com"),
        ("call +852/9876/5432 now", "call +85*** now"),
        ("pm_test_abc_defg and pm_live_hij_klm", "pm_test_*** and pm_live_***"),
        (
            "ORD-1762274304824 of CRUISE-2025-FERRY-1762274285982",
            "ORD-1762274304824 of CRUISE-2025-FERRY-1762274285982",
        ),
        ("DETAIL: Failing row contains (John)", "DETAIL: (left out)"),
        (
            'bad input\nCONTEXT:  JSON data, line 1: [{"customer_name":"John Smith"...\nunnamed portal: John\n\nnext',
            "bad input\nCONTEXT: (left out)\n\nnext",
        ),
    ],
)
def test_what_is_masked_and_what_is_not(text: str, kept: str) -> None:
    assert masked(text) == kept


@pytest.mark.parametrize("form", ["json", "console"])
def test_what_is_no_text_is_masked_as_the_text_that_it_becomes(form: str) -> None:
    program = f"""
from datetime import UTC, datetime
from premade.runtime.logging import log, start_logging
start_logging({form!r}, mask_customer_email=True)
who = {EMAIL!r}
log.info(
    "here", error=ValueError(who), members={{who}}, inner={{who: {{"a": [{{who}}], 1: (who,)}}}}, kind=type(who, (), {{}}),
    customer_email=ValueError(who), at=datetime(2026, 3, 31, tzinfo=UTC), tickets=3, share=0.5, is_test=True, none=None,
)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert EMAIL.partition("@")[0] not in done.stderr
    assert done.stderr.count(MASKED_EMAIL) == 7
    if form == "json":
        line = json.loads(done.stderr)
        assert line["inner"] == {MASKED_EMAIL: {"a": [f"{MASKED_EMAIL}'}}"], "1": [MASKED_EMAIL]}}
        assert line["at"] == "2026-03-31T00:00:00+00:00"
        assert (line["tickets"], line["share"], line["is_test"], line["none"]) == (3, 0.5, True, None)


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(
    ("level", "shown"),
    [
        ("warning", ["warning", "error", "warning"]),
        ("info", ["info", "warning", "error", "warning"]),
        ("error", ["error"]),
    ],
)
def test_only_lines_of_the_level_and_above_are_logged(level: str, shown: list[str]) -> None:
    program = f"""
import logging
from premade.runtime.logging import log, start_logging
start_logging("json", level={level!r})
log.info("a")
log.warning("b")
log.error("c")
logging.getLogger("uvicorn.error").warning("of a library")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == shown


def test_a_failure_of_a_background_job_is_logged_once_and_its_end_at_the_same_level() -> None:
    program = """
import asyncio
from premade.runtime.background import repeat
from premade.runtime.logging import start_logging
start_logging("json", level="error")
turns = iter([ArithmeticError("a"), ArithmeticError("a"), ArithmeticError("b"), None, None])
async def turn():
    error = next(turns, asyncio.CancelledError())
    if error:
        raise error
    return 0
try:
    asyncio.run(repeat("job", turn, 0))
except asyncio.CancelledError:
    pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second, over = map(json.loads, done.stderr.splitlines())

    assert [line["event"] for line in (first, second, over)] == [
        "job_failed",
        "job_failed",
        "job_failed_over",
    ]
    assert first["exception"].endswith("ArithmeticError: a")
    assert second["exception"].endswith("ArithmeticError: b")
    assert over["level"] == "error"
    assert over["lasted_seconds"] >= 0


@pytest.mark.nightly
def test_a_lost_and_regained_database_is_one_warning_each_for_a_worker(dsn: str, tmp_path: Path) -> None:
    with own_database(dsn) as own:
        environment = environment_for(own, PREMADE_LOG_LEVEL="warning")
        with running_service(environment, tmp_path / "log", workers=1) as service:
            seller = Shop(own, service.url).seller()
            [code] = seller.tickets()
            assert seller.activate(code).status_code == 200
            with closed_to_all(dsn, own):
                wait_until(lambda: len(service.log_lines()) == 1, "nothing warns of it")
            wait_until(lambda: len(service.log_lines()) == 2, "nothing says that it is over")
        lost, regained = service.log_lines()

    assert (lost["event"], lost["level"], lost["reason"]) == ("service.not_ready", "warning", "DATABASE_AWAY")
    assert (regained["event"], regained["level"]) == ("service.not_ready_over", "warning")
    assert 0 <= float(str(regained["lasted_seconds"])) < 120


@pytest.mark.nightly
def test_a_worker_that_cannot_start_writes_one_line(dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(dsn, TMPDIR=str(tmp_path)), tmp_path / "log", workers=1) as service:
        [folder] = tmp_path.glob(f"{METRICS_FOLDER}-*")
        shutil.rmtree(folder)
        workers(service)[0].kill()
        wait_until(lambda: "worker.failed" in service.log.read_text(), "it starts without its folder")
        folder.mkdir()
        wait_until(lambda: service.log.read_text().count("worker.serves") == 2, "it does not start again")
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    assert {line["level"] for line in lines if line["event"] in {"worker.failed", "worker.ended"}} == {
        "error"
    }
    assert (
        "FileNotFoundError" in next(line for line in lines if line["event"] == "worker.failed")["exception"]
    )


@pytest.mark.nightly
def test_a_service_removes_the_folders_of_killed_services_and_of_no_others(dsn: str, tmp_path: Path) -> None:
    environment = environment_for(dsn, TMPDIR=str(tmp_path))
    killed, of_last_release = tmp_path / f"{METRICS_FOLDER}-killed", tmp_path / "premade-metrics-1-0_1_0"
    old = time.time() - 2 * NEW_FOLDER_SECONDS
    for folder in (killed, of_last_release):
        folder.mkdir()
        os.utime(folder, (old, old))
    with running_service(environment, tmp_path / "log", workers=1):
        [mine] = tmp_path.glob(f"{METRICS_FOLDER}-*")
        os.utime(mine, (old, old))
        with running_service(environment, tmp_path / "other", workers=1):
            assert mine.exists()
    assert not killed.exists()
    # It may serve beside this version during an upgrade, and locks no folder.
    assert of_last_release.exists()


def test_a_long_word_is_looked_through_once() -> None:
    started = time.process_time()

    assert masked("x" * 100_000 + " a@example.com") == "x" * 100_000 + " ***@example.com"

    assert time.process_time() - started < 1


def assert_nothing_personal(text: str) -> None:
    assert EMAIL not in text
    assert NAME not in text
    assert not PHONE_DIGITS.search(text)
