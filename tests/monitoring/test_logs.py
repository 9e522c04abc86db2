"""What stands in the log of a running service, and what never does."""

import json
import re
from pathlib import Path

from support.service import environment_for, running_service
from support.shop import Shop

EMAIL, MASKED_EMAIL = "known.only.there@example.com", "k***@example.com"
PHONE, PHONE_DIGITS = "+852 9876 5432", "9876"
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


def test_a_setting_masks_the_customer_s_address_too(dsn: str, tmp_path: Path) -> None:
    environment = environment_for(dsn, PREMADE_LOG_MASK_CUSTOMER_EMAIL="true")
    with running_service(environment, tmp_path / "log", workers=1) as service:
        code = a_sale_and_some_mistakes(Shop(dsn, service.url))
        lines = service.log_lines()

    [sold] = [line for line in lines if line["event"] == "ota.tickets.activated"]
    assert (sold["ticket_code"], sold["customer_email"]) == (code, MASKED_EMAIL)
    assert_nothing_personal((tmp_path / "log").read_text())


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


def test_every_line_has_one_form_also_those_of_the_server_itself(dsn: str, tmp_path: Path) -> None:
    with running_service(environment_for(dsn), tmp_path / "log", workers=2) as service:
        a_sale_and_some_mistakes(Shop(dsn, service.url))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    assert all({"event", "level", "timestamp"} <= set(line) for line in lines)
    # Started and stopped: uvicorn says these.
    told = " ".join(str(line["event"]) for line in lines)
    assert "Application startup complete" in told
    assert "Application shutdown complete" in told
    requests = [line for line in lines if line["event"] == "http.request"]
    assert {line["status"] for line in requests} == {200, 201, 400, 404, 409}
    for line in requests:
        assert {"request_id", "method", "route", "status", "duration_ms"} <= set(line)
        assert line["route"] == "unknown" or {"partner_id", "key_id"} <= set(line)


def assert_nothing_personal(text: str) -> None:
    assert EMAIL not in text
    assert NAME not in text
    assert PHONE_DIGITS not in text
