"""The second factor: set up by a QR, asked for at sign-in, each code accepted once, and reset by an admin."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import zxingcpp
from browser.visitors import visitor
from PIL import Image, ImageDraw
from pyotp import parse_uri
from pyotp.totp import TOTP
from support.attempts import use_up
from support.plain_http import NO_TLS
from support.postgres import own_database
from support.race import at_once
from support.shop import Seller, Shop, unique
from support.staff import PASSWORD, new_staff
from support.terminal import Operator

from premade.console.auth import HALF_COOKIE, SESSION_COOKIE
from premade.runtime.errors import Invalid
from premade.runtime.master_keys import MasterKeys, new_master_key
from premade.runtime.settings import ROLES, read_master_key
from premade.staff.role import Role
from premade.staff.second_factor import (
    OF_CODE,
    SecondFactorUnreadable,
    enrolment_of,
    remove_own,
    reseal_second_factors,
    set_up_own,
)
from premade.staff.session import HalfSignedIn, Sessions
from premade.throttle.attempts import CountedSubject

FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, headers=FORM, timeout=60, trust_env=False, verify=NO_TLS) as client:
        yield client


@pytest.fixture
def name(shop: Shop) -> str:
    name = unique("mei")
    new_staff(shop, name, "admin")
    return name


def staff_id(shop: Shop, name: str) -> int:
    [row] = shop.sql("SELECT staff_id FROM staff WHERE name = %s", name)
    return row["staff_id"]


def set_up(shop: Shop, name: str, at: datetime | None = None) -> tuple[TOTP, list[str]]:
    """An app that is set up by the code of two minutes ago, so that the present one is not used yet."""
    member = staff_id(shop, name)
    totp = TOTP(enrolment_of(shop.runtime, member, name, "token").secret)
    codes = shop.operate(lambda d, r: set_up_own(d, r, member, "token", totp.at(r.now()), "staff:1"))
    shop.sql("UPDATE staff_second_factors SET last_step = last_step - 4 WHERE staff_id = %s", member)
    return totp, codes


def sign_in(http: httpx.Client, name: str) -> httpx.Response:
    http.cookies.clear()
    return http.post("/console/sign-in", data={"name": name, "password": PASSWORD, "next": "/console/stock"})


def send_code(http: httpx.Client, code: str) -> httpx.Response:
    return http.post("/console/sign-in/code", data={"code": code, "next": "/console/stock"})


def read_qr(html: str) -> str:
    """The text of the QR code in the page, by another library, as a phone sees it."""
    [(side, path)] = re.findall(r'viewBox="-4 -4 (\d+) \d+">.*?<path d="([^"]+)"', html)
    picture = Image.new("L", (int(side) * 4, int(side) * 4), 255)
    for x, y, length in re.findall(r"M(\d+) (\d+)h(\d+)v1", path):
        left, top = (int(x) + 4) * 4, (int(y) + 4) * 4
        ImageDraw.Draw(picture).rectangle((left, top, left + int(length) * 4 - 1, top + 3), fill=0)
    [found] = zxingcpp.read_barcodes(picture)
    return found.text


def refusals(shop: Shop, name: str) -> list[dict[str, Any]]:
    return [
        row["data"]
        for row in shop.sql(
            "SELECT data FROM audit_events WHERE event = 'staff.sign_in_refused' AND data->>'staff_id' = %s",
            str(staff_id(shop, name)),
        )
    ]


def test_a_member_sets_an_app_up_by_its_qr_and_removes_it(shop: Shop) -> None:
    with visitor(shop, "finance") as mei:
        page = mei.page("/console/account/second-factor")
        assert page == mei.page("/console/account/second-factor"), "a reloaded page shows another QR"
        uri = read_qr(page)
        totp = parse_uri(uri)
        assert isinstance(totp, TOTP)
        assert f"premade:{mei.name}" in uri
        assert totp.secret in page
        wrong = mei.sends("/console/account/second-factor", code="000000")
        right = mei.sends("/console/account/second-factor", code=totp.now())
        codes = re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", right.text)
        after = mei.page("/console/account/second-factor")
        removed = mei.sends("/console/account/second-factor", code=codes[0].lower().replace("-", " "))
        events = {what: len(mei.events(f"staff.{what}")) for what in
                  ("second_factor_set", "recovery_code_used", "second_factor_removed")}  # fmt: skip

    assert (wrong.status_code, right.status_code, removed.status_code) == (400, 200, 303)
    assert len(set(codes)) == 10
    assert totp.secret not in after
    assert "10 recovery codes" in after
    assert set(events.values()) == {1}


def test_the_password_alone_signs_nobody_in(shop: Shop, http: httpx.Client, name: str) -> None:
    totp, _ = set_up(shop, name)

    half = sign_in(http, name)
    refused = http.get("/console/stock")
    wrong = send_code(http, "000000" if totp.now() != "000000" else "111111")
    right = send_code(http, totp.now())

    assert half.headers["Location"] == "/console/sign-in/code?next=/console/stock"
    assert SESSION_COOKIE not in half.cookies
    assert refused.headers["Location"].startswith("/console/sign-in")
    assert wrong.status_code == 400
    assert (right.status_code, right.headers["Location"]) == (303, "/console/stock")
    assert http.get("/console/stock").status_code == 200
    assert refusals(shop, name) == [
        {"reason": "code", "staff_id": staff_id(shop, name), "client_ip": "127.0.0.1"}
    ]
    [event] = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'staff.signed_in' AND actor = %s",
        f"staff:{staff_id(shop, name)}",
    )
    assert event["data"] == {"method": "password", "client_ip": "127.0.0.1"}


def test_a_code_signs_in_once(shop: Shop, http: httpx.Client, name: str) -> None:
    totp, recovery = set_up(shop, name)
    code = totp.now()
    for used in (code, recovery[0]):
        sign_in(http, name)
        assert send_code(http, used).status_code == 303
        sign_in(http, name)
        assert send_code(http, used).status_code == 400
    assert send_code(http, recovery[1]).status_code == 303


def test_of_many_requests_with_one_code_one_signs_in(
    shop: Shop, seller: Seller, http: httpx.Client, name: str
) -> None:
    totp, _ = set_up(shop, name)
    tokens: list[str] = []
    for _ in range(4):
        sign_in(http, name)
        tokens.append(http.cookies[HALF_COOKIE])
    code = totp.now()

    async def send(client: httpx.AsyncClient, number: int) -> httpx.Response:
        headers = {**FORM, "Cookie": f"{HALF_COOKIE}={tokens[number]}"}
        return await client.post("/console/sign-in/code", data={"code": code}, headers=headers)

    answers = at_once(seller, len(tokens), send)

    assert sorted(answer.status_code for answer in answers) == [303, 400, 400, 400]


@pytest.mark.parametrize(("seconds", "status"), [(-61, 400), (-30, 303), (30, 303), (61, 400)])
def test_the_clock_of_a_phone_may_be_half_a_minute_away(
    shop: Shop, http: httpx.Client, name: str, seconds: int, status: int
) -> None:
    totp, _ = set_up(shop, name)
    sign_in(http, name)

    answer = send_code(http, totp.at(datetime.now(UTC) + timedelta(seconds=seconds)))

    assert answer.status_code == status


def test_guesses_are_limited(shop: Shop, http: httpx.Client, name: str) -> None:
    totp, _ = set_up(shop, name)
    sign_in(http, name)
    shop.sql(
        "DELETE FROM attempts WHERE subject = %s", CountedSubject(OF_CODE, str(staff_id(shop, name))).digest
    )
    use_up(shop, CountedSubject(OF_CODE, str(staff_id(shop, name))))

    answer = send_code(http, totp.now())

    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0


def test_another_password_ends_a_half_sign_in(shop: Shop, http: httpx.Client, name: str) -> None:
    totp, _ = set_up(shop, name)
    sign_in(http, name)
    shop.sql("UPDATE staff SET password_digest = password_digest || 'x' WHERE name = %s", name)

    assert send_code(http, totp.now()).headers["Location"] == "/console/sign-in"
    assert http.get("/console/stock").status_code == 303


def test_a_role_that_needs_it_sets_it_up_at_sign_in(shop: Shop, http: httpx.Client, name: str) -> None:
    """The half sign-in of a service with the setting, completed over HTTP."""
    required = frozenset({Role.ADMIN})
    half = shop.operate(lambda d, r: Sessions(d, r, required).sign_in(name, PASSWORD, "127.0.0.1"))
    assert isinstance(half, HalfSignedIn)
    http.cookies.set(HALF_COOKIE, half.token)
    page = http.get("/console/sign-in/code")
    totp = parse_uri(read_qr(page.text))
    assert isinstance(totp, TOTP)

    done = http.post("/console/sign-in/code", data={"code": totp.now(), "next": "/console/stock"})

    assert len(re.findall(r"[A-Z2-7]{4}(?:-[A-Z2-7]{4}){3}", done.text)) == 10
    assert http.get("/console/stock").status_code == 200
    assert shop.sql("SELECT FROM staff_second_factors WHERE staff_id = %s", staff_id(shop, name))


def test_an_admin_or_a_command_resets_it(shop: Shop, http: httpx.Client, name: str) -> None:
    set_up(shop, name)
    assert Operator(shop.dsn).does("staff", "reset-second-factor", name)["name"] == name
    assert sign_in(http, name).headers["Location"] == "/console/stock"

    set_up(shop, name)
    with visitor(shop, "admin") as ann:
        assert ann.sends(f"/console/staff/{name}/reset-second-factor").status_code == 303

    assert http.get("/console/stock").status_code == 303
    assert sign_in(http, name).headers["Location"] == "/console/stock"
    assert shop.sql("SELECT * FROM staff_recovery_codes WHERE staff_id = %s", staff_id(shop, name)) == []


def test_recovery_codes_are_stored_as_digests(shop: Shop, name: str) -> None:
    _, codes = set_up(shop, name)

    rows = shop.sql("SELECT digest FROM staff_recovery_codes WHERE staff_id = %s", staff_id(shop, name))

    assert len(rows) == len(codes) == 10
    assert {len(bytes(row["digest"])) for row in rows} == {32}


@pytest.mark.nightly
def test_the_secret_is_sealed_and_survives_another_master_key(
    shop: Shop, http: httpx.Client, name: str
) -> None:
    totp, _ = set_up(shop, name)
    [row] = shop.sql("SELECT secret FROM staff_second_factors WHERE staff_id = %s", staff_id(shop, name))
    sealed = base64.b64decode(row["secret"])
    secrets = {totp.secret.encode(), base64.b32decode(totp.secret)}
    assert not any(secret in sealed or secret in row["secret"].encode() for secret in secrets)
    old, new = shop.runtime.master_keys(), MasterKeys(read_master_key(new_master_key()))
    both = MasterKeys((*new.keys, *old.keys))
    with own_database(shop.dsn) as own:
        other = Shop(own, shop.url)
        new_staff(other, name, "admin")
        set_up(other, name)
        with_keys = {keys: replace(other, runtime=replace(other.runtime, master_keys=lambda keys=keys: keys))
                     for keys in (old, new, both)}  # fmt: skip
        member = staff_id(other, name)

        def tries(keys: MasterKeys) -> None:
            with pytest.raises(Invalid):
                with_keys[keys].operate(lambda d, r: remove_own(d, r, member, "000000", "staff:1"))

        with pytest.raises(SecondFactorUnreadable):
            tries(new)
        with_keys[both].operate(reseal_second_factors)
        tries(new)
        with pytest.raises(SecondFactorUnreadable):
            tries(old)


def test_an_app_without_a_confirmed_code_changes_nothing(shop: Shop, http: httpx.Client, name: str) -> None:
    member = staff_id(shop, name)
    with pytest.raises(Invalid):
        shop.operate(lambda d, r: set_up_own(d, r, member, "token", "12345", "staff:1"))

    assert sign_in(http, name).headers["Location"] == "/console/stock"


def test_the_secret_of_one_session_sets_nothing_up_in_another(shop: Shop, name: str) -> None:
    """Somebody who knows the password may have seen the page before the member does."""
    member = staff_id(shop, name)
    seen = TOTP(enrolment_of(shop.runtime, member, name, "theirs").secret)
    with pytest.raises(Invalid):
        shop.operate(lambda d, r: set_up_own(d, r, member, "own", seen.at(r.now()), "staff:1"))

    own = TOTP(enrolment_of(shop.runtime, member, name, "own").secret)
    shop.operate(lambda d, r: set_up_own(d, r, member, "own", own.at(r.now()), "staff:1"))

    with pytest.raises(Invalid):
        shop.operate(lambda d, r: remove_own(d, r, member, seen.at(r.now()), "staff:1"))
    with pytest.raises(Invalid):
        shop.operate(lambda d, r: set_up_own(d, r, member, "theirs", seen.at(r.now()), "staff:1"))


def test_the_setting_names_the_roles_of_the_staff() -> None:
    assert set(Role) == ROLES
