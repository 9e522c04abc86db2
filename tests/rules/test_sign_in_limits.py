"""Guessing passwords: what it is counted by, whom it cannot keep out, and that it stops nothing else."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.plain_http import NO_TLS
from support.service import Service, environment_for, running_service
from support.shop import Seller, Shop, unique
from support.staff import DIGEST, PASSWORD, new_staff

from premade.console.auth import BROWSER_COOKIE, SESSION_COOKIE
from premade.http.client_address import counted_address
from premade.postgres.database import Database
from premade.runtime.clock import Runtime
from premade.staff import password as passwords
from premade.staff.member import set_password
from premade.staff.password import SignInsBusy
from premade.staff.session import BROWSERS_MAX, Sessions
from premade.staff.sign_in_attempt import OF_BROWSER, OF_NAME_FROM_ADDRESS, TooManySignIns, count_sign_in
from premade.texts.problems import problem_texts

FORM = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def name(shop: Shop) -> str:
    """A member of the staff."""
    return new_member(shop)


def new_member(shop: Shop) -> str:
    name = unique("mei")
    new_staff(shop, name, "admin")
    return name


def tries(client: httpx.Client, name: str, password: str = PASSWORD) -> httpx.Response:
    return client.post("/console/sign-in", data={"name": name, "password": password}, headers=FORM)


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_address_counts_as_its_network(host: str, counted: str) -> None:
    assert counted_address(host) == counted


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize("place", [0, 1, -1])
def test_a_name_has_no_other_spelling_with_tries_of_its_own(shop: Shop, name: str, place: int) -> None:
    with shop.client() as client:
        assert tries(client, f"{name[:place]}\0{name[place:]}").status_code == 401
        for spelling in (name.upper(), f" {name}\u200b", f"\ufeff{name}\u3000"):
            assert tries(client, spelling).status_code == 303


@pytest.mark.nightly
def test_one_network_of_ipv6_has_one_count(
    shop: Shop, dsn: str, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = tmp_path_factory.mktemp("behind_a_proxy") / "log"
    environment = environment_for(dsn, PREMADE_TRUSTED_PROXIES="127.0.0.1")
    with (
        running_service(environment, log, workers=1) as service,
        httpx.Client(base_url=service.url, trust_env=False, verify=NO_TLS, timeout=60) as client,
    ):

        def status(address: str, password: str) -> int:
            form = {"name": name, "password": password}
            headers = {**FORM, "X-Forwarded-For": address}
            return client.post("/console/sign-in", data=form, headers=headers).status_code

        guesses = [
            status(f"2001:db8:7:7::{place:x}", "wrong")
            for place in range(1, OF_NAME_FROM_ADDRESS.attempts_max + 2)
        ]

        assert guesses == [*[401] * OF_NAME_FROM_ADDRESS.attempts_max, 429]
        assert status("2001:db8:7:7:ffff::1", PASSWORD) == 429
        assert status("2001:db8:7:8::1", PASSWORD) == 303
        assert not [line for line in service.log_lines() if line.get("event") == "http.proxy_not_trusted"]


def test_over_https_no_other_host_of_the_domain_can_set_the_cookies(shop: Shop, name: str) -> None:
    # The service sees http, as behind a proxy that it does not trust. The browser says what it uses.
    https = {**FORM, "Origin": shop.url.replace("http:", "https:")}
    with shop.client() as client:
        signed_in = client.post("/console/sign-in", data={"name": name, "password": PASSWORD}, headers=https)
        assert signed_in.status_code == 303
        for cookie in signed_in.headers.get_list("Set-Cookie"):
            assert cookie.startswith("__Host-")
            assert {"secure", "path=/", "httponly", "samesite=strict"} <= set(cookie.lower().split("; "))
            assert "domain=" not in cookie.lower()
        sent = "; ".join(each.partition(";")[0] for each in signed_in.headers.get_list("Set-Cookie"))
        assert client.get("/console", headers={"Cookie": sent}).status_code == 200


def test_a_browser_that_signed_in_before_is_let_in_whatever_others_try(shop: Shop, name: str) -> None:
    with shop.client() as known, shop.client() as guesser:
        first = tries(known, name)
        assert first.status_code == 303
        assert {SESSION_COOKIE, BROWSER_COOKIE} == {cookie.name for cookie in known.cookies.jar}
        while tries(guesser, name, "wrong").status_code != 429:
            pass
        # From the same address, for the same name.
        assert tries(guesser, name).status_code == 429
        assert tries(known, name).status_code == 303
        # It has a count of its own, and is known for this name only.
        other = new_member(shop)
        for _ in range(OF_BROWSER.attempts_max):
            assert tries(known, name, "wrong").status_code == 401
        assert tries(known, name).status_code == 429
        while tries(guesser, other, "wrong").status_code != 429:
            pass
        assert tries(known, other).status_code == 429


def test_what_is_kept_of_a_browser_is_a_digest_and_does_not_grow(shop: Shop, name: str) -> None:
    def kept() -> list[bytes]:
        rows = shop.sql(
            "SELECT digest FROM staff_browsers JOIN staff USING (staff_id) WHERE name = %s ORDER BY staff_browsers.created_at DESC",
            name,
        )
        return [bytes(row["digest"]) for row in rows]

    with shop.client() as client:
        for _ in range(2):
            assert tries(client, name).status_code == 303
            # The second took the place of the first: it is the same browser.
            assert kept() == [hashlib.sha256(client.cookies[BROWSER_COOKIE].strip('"').encode()).digest()]

    async def sign_in_often(sessions: Sessions) -> None:
        for _ in range(BROWSERS_MAX + 2):
            await sessions.sign_in(name, PASSWORD, "198.51.100.9")

    shop.operate(lambda database, runtime: sign_in_often(Sessions(database, runtime)))
    assert len(kept()) == BROWSERS_MAX
    # Whoever knew the old password has nothing of it.
    shop.operate(lambda database, runtime: set_password(database, runtime, name, "four small ferries"))
    assert kept() == []


def test_of_many_sign_ins_at_once_the_limit_reaches_the_check_of_the_password(shop: Shop, name: str) -> None:
    address = unique("address")

    async def guess(database: Database, runtime: Runtime) -> bool:
        try:
            await count_sign_in(database, runtime, name, address, None)
        except TooManySignIns:
            return False
        return True

    async def at_once(database: Database, runtime: Runtime) -> list[bool]:
        return await asyncio.gather(*(guess(database, runtime) for _ in range(25)))

    assert sum(shop.operate(at_once)) == OF_NAME_FROM_ADDRESS.attempts_max


def test_checks_wait_in_a_line_of_some_length_and_the_rest_is_refused_at_once() -> None:
    async def flood() -> tuple[int, bool]:
        strangers = [asyncio.create_task(passwords.is_right("a guess", DIGEST)) for _ in range(40)]
        await asyncio.sleep(0)
        known = asyncio.create_task(passwords.is_right("a guess", DIGEST, is_known=True))
        given = await asyncio.gather(*strangers, return_exceptions=True)
        return sum(isinstance(each, SignInsBusy) for each in given), await known

    assert asyncio.run(flood()) == (40 - passwords.WAITING_MAX, False)


@pytest.mark.nightly
def test_a_flood_of_sign_ins_is_told_when_to_come_back(shop: Shop, seller: Seller, service: Service) -> None:
    codes = seller.tickets(20)
    nobodys = [unique("nobody") for _ in range(60)]
    with ThreadPoolExecutor(len(nobodys)) as pool, shop.client() as client:
        guesses = [pool.submit(tries, client, each, "a guess") for each in nobodys]
        sold = [seller.activate(code).status_code for code in codes]
        answers = [guess.result() for guess in guesses]

    assert sold == [200] * len(codes)
    assert {answer.status_code for answer in answers} == {401, 503}
    for answer in answers:
        if answer.status_code == 503:
            assert int(answer.headers["retry-after"]) > 0
            assert problem_texts()[SignInsBusy.code].title in answer.text
