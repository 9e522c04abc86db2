"""Signing in and out: who is let in, for how long, and what a form must carry."""

import re
from pathlib import Path

import httpx
import pytest
from browser.conftest import PASSWORD, Somebody
from browser.visitors import text_of, visitor
from support.plain_http import NO_TLS
from support.service import Service, environment_for, running_service
from support.shop import Shop, unique
from support.staff import DIGEST, new_staff

from premade.console.auth import BROWSER_COOKIE, SESSION_COOKIE
from premade.console.forms import FORM_BYTES_MAX
from premade.staff import session
from premade.staff.member import set_disabled, set_password, set_role
from premade.staff.sign_in_attempt import OF_ADDRESS, OF_NAME_FROM_ADDRESS, WINDOW_SECONDS

HTML = {"Sec-Fetch-Site": "same-origin"}
NEW_PASSWORD = "four small ferries"
TABLES_OF_SIGN_IN = ("staff", "staff_sessions", "staff_browsers", "attempts", "audit_events")


def signs_in(client: httpx.Client, name: str, password: str = PASSWORD) -> int:
    """Send the form of the sign-in page; return the status."""
    form = {"name": name, "password": password}
    return client.post("/console/sign-in", data=form, headers=HTML).status_code


def leads_to(client: httpx.Client, path: str) -> str | None:
    """Return the address without query that the page redirects to; None if it is served."""
    response = client.get(path)
    location = response.headers.get("location")
    return location and str(location).partition("?")[0]


@pytest.fixture
def name(shop: Shop) -> str:
    """A member of the staff."""
    name = unique("mei")
    new_staff(shop, name, "operations")
    return name


def gets_new_password(shop: Shop, name: str) -> None:
    shop.operate(lambda database, runtime: set_password(database, runtime, name, NEW_PASSWORD))


def test_somebody_signs_in_and_out_and_the_record_says_so(somebody: Somebody) -> None:
    mei = somebody("operations", signed_in=False)
    mei.signs_in()
    assert (mei.path, mei.heading) == ("/console", "Overview")

    mei.page.get_by_role("button", name="Sign out").click()
    mei.page.wait_for_url("**/console/sign-in")

    assert (mei.path, mei.heading) == ("/console/sign-in", "Sign in")
    assert [cookie.get("name") for cookie in mei.page.context.cookies()] == [BROWSER_COOKIE]
    assert [len(mei.events(f"staff.signed_{way}")) for way in ("in", "out")] == [1, 1]


def test_whoever_is_not_signed_in_is_led_back_to_the_page_they_wanted(somebody: Somebody) -> None:
    mei = somebody("operations", signed_in=False)

    mei.goes_to("/console/batches?partner=1")
    assert mei.path == "/console/sign-in?next=/console/batches%3Fpartner%3D1"
    mei.page.get_by_label("Name").fill(f" {mei.name.upper()} ")
    mei.page.get_by_label("Password").fill(PASSWORD)
    mei.page.keyboard.press("Enter")

    mei.page.wait_for_url("**/console/batches?partner=1")


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/console", "//evil.example", "/docs", "/console/\\evil.example", "//[x"],
)
@pytest.mark.nightly(but_first=True)
def test_after_signing_in_nobody_is_led_elsewhere(somebody: Somebody, elsewhere: str) -> None:
    mei = somebody("operations", signed_in=False)
    with mei.shop.client() as client:
        form = {"name": mei.name, "password": PASSWORD, "next": elsewhere}
        answer = client.post("/console/sign-in", data=form, headers=HTML)

    assert (answer.status_code, answer.headers["location"]) == (303, "/console")


def test_a_wrong_password_and_an_unknown_name_are_refused_alike(somebody: Somebody) -> None:
    mei = somebody("operations", signed_in=False)

    mei.signs_in("three large ferries")
    refused = mei.page.get_by_role("alert").inner_text()
    mei.page.get_by_label("Name").fill(unique("nobody"))
    mei.page.get_by_label("Password").fill(PASSWORD)
    mei.page.get_by_role("button", name="Sign in").click()

    assert "is wrong" in refused
    assert mei.page.get_by_role("alert").inner_text() == refused
    assert mei.page.context.cookies() == [], "only a browser that signed in is known"
    [told] = mei.events("staff.sign_in_refused")
    assert (told["actor"], told["data"]["reason"]) == ("console", "wrong")


def test_signing_in_for_one_name_is_throttled_until_its_window_is_over(shop: Shop, name: str) -> None:
    with shop.client() as client:
        guesses = [
            signs_in(client, name, "three large ferries")
            for _ in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)
        ]
        form = {"name": name, "password": PASSWORD}
        right = client.post("/console/sign-in", data=form, headers=HTML)

        assert guesses == [401] * OF_NAME_FROM_ADDRESS.attempts_max + [429]
        assert right.status_code == 429
        assert 0 < int(right.headers["retry-after"]) <= WINDOW_SECONDS
        shop.sql("UPDATE attempts SET ends_at = ends_at - make_interval(secs => %s)", WINDOW_SECONDS)
        assert signs_in(client, name) == 303


def test_an_address_is_throttled_whatever_names_it_tries(shop: Shop) -> None:
    shop.sql("DELETE FROM attempts")
    # A try by hand first: then its count is there, and stands just below the limit.
    with shop.client() as client:
        tries = {"name": unique("nobody"), "password": "x"}
        assert client.post("/console/sign-in", data=tries, headers=HTML).status_code == 401
        shop.sql("UPDATE attempts SET count = %s", OF_ADDRESS.attempts_max - 1)
        statuses = [
            client.post(
                "/console/sign-in", data={**tries, "name": unique("nobody")}, headers=HTML
            ).status_code
            for _ in range(3)
        ]
    shop.sql("DELETE FROM attempts")

    assert statuses == [401, 429, 429]


@pytest.mark.nightly
def test_who_guesses_elsewhere_keeps_nobody_out(
    dsn: str, shop: Shop, somebody: Somebody, tmp_path: Path
) -> None:
    mei = somebody("operations", signed_in=False)
    shop.sql("DELETE FROM attempts")
    settings = environment_for(dsn, PREMADE_TRUSTED_PROXIES="10.0.0.0/8, 127.0.0.1")
    form = {"name": mei.name, "password": PASSWORD}

    with running_service(settings, tmp_path / "log", workers=1) as service:

        def tries(address: str, password: str, at: str = service.url) -> int:
            sent, headers = {**form, "password": password}, {**HTML, "X-Forwarded-For": address}
            return httpx.post(f"{at}/console/sign-in", data=sent, headers=headers).status_code

        guesses = [tries("198.51.100.7", "guessed") for _ in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)]
        assert guesses[-2:] == [401, 429]
        assert tries("198.51.100.7", PASSWORD) == 429
        assert tries("203.0.113.9", PASSWORD) == 303
        # Nobody trusts this other service's clients: they all have the address of their connection.
        asked = [
            tries(f"198.51.100.{n}", "x", mei.shop.url) for n in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)
        ]
        assert asked[-2:] == [401, 429]


def test_a_new_password_has_its_own_count_of_attempts(shop: Shop, name: str) -> None:
    with shop.client() as client:
        guesses = [signs_in(client, name, "guessed") for _ in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)]
        assert guesses[-1] == 429
        gets_new_password(shop, name)

        assert signs_in(client, name, NEW_PASSWORD) == 303


def test_signing_in_again_ends_the_session_that_the_browser_had(shop: Shop, name: str) -> None:
    with shop.client() as client:
        assert signs_in(client, name) == 303
        before = {"Cookie": f"{SESSION_COOKIE}={client.cookies[SESSION_COOKIE]}"}
        assert signs_in(client, name) == 303
        assert leads_to(client, "/console/account") is None

    with shop.client() as old:
        assert old.get("/console/account", headers=before).status_code == 303


def test_an_origin_that_is_no_address_is_another_site(shop: Shop) -> None:
    with visitor(shop, "operations") as mei, shop.client() as client:
        form = {"form_token": session.form_token(mei.token)}
        client.headers["Cookie"] = mei.http.headers["Cookie"]
        assert client.get("/console/account").status_code == 200
        for origin in ("http://[", "null", "http://"):
            refused = client.post("/console/sign-out", data=form, headers={"Origin": origin})
            assert (origin, refused.status_code) == (origin, 403)
        for wanted in ("//[", "//[x", "http://["):
            assert client.get("/console/sign-in", params={"next": wanted}).status_code == 303


@pytest.mark.parametrize(
    ("column", "seconds"),
    [("last_seen_at", session.IDLE_SECONDS_MAX), ("expires_at", session.SESSION_SECONDS_MAX)],
)
def test_a_session_ends(somebody: Somebody, column: str, seconds: int) -> None:
    mei = somebody("operations")
    back = f"UPDATE staff_sessions SET created_at = created_at - make_interval(secs => %s), {column} = {column} - make_interval(secs => %s) WHERE staff_id = %s"

    mei.shop.sql(back, seconds - 60, seconds - 60, mei.staff_id)
    assert mei.goes_to("/console/batches") == 200
    assert mei.path == "/console/batches"
    mei.shop.sql(back, 3600, seconds + 61, mei.staff_id)
    mei.goes_to("/console/batches")

    assert mei.path == "/console/sign-in?next=/console/batches"


def test_signing_out_everywhere_ends_every_browser_s_session(shop: Shop, name: str) -> None:
    with shop.client() as here, shop.client() as elsewhere:
        for client in (here, elsewhere):
            assert signs_in(client, name) == 303
            assert leads_to(client, "/console/batches") is None
        account = here.get("/console/account").text
        assert "in 2 browsers" in text_of(account)
        [(action, token)] = re.findall(
            r'action="([^"]*everywhere)".*?name="form_token" value="([^"]*)"', account, re.DOTALL
        )
        assert here.post(action, data={"form_token": token}, headers=HTML).status_code == 303

        assert leads_to(here, "/console/batches") == "/console/sign-in"
        assert leads_to(elsewhere, "/console/batches") == "/console/sign-in"


def test_a_disabled_member_is_signed_out_and_cannot_sign_in(shop: Shop, name: str) -> None:
    with shop.client() as client:
        assert signs_in(client, name) == 303
        shop.operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=True))
        assert leads_to(client, "/console/tickets") == "/console/sign-in"
        assert signs_in(client, name) == 401
        shop.operate(lambda database, runtime: set_disabled(database, runtime, name, disabled=False))
        assert leads_to(client, "/console/tickets") == "/console/sign-in"

        assert signs_in(client, name) == 303
        assert leads_to(client, "/console/tickets") is None


def test_a_new_password_ends_all_sessions(shop: Shop, name: str) -> None:
    with shop.client() as client:
        assert signs_in(client, name) == 303
        gets_new_password(shop, name)

        assert leads_to(client, "/console/tickets") == "/console/sign-in"
        assert signs_in(client, name) == 401
        assert signs_in(client, name, NEW_PASSWORD) == 303


@pytest.mark.nightly
def test_everybody_changes_their_own_password_and_stays_signed_in_here_alone(somebody: Somebody) -> None:
    mei = somebody("gate")
    with mei.shop.client() as other_browser:
        form = {"name": mei.name, "password": PASSWORD}
        signed_in = other_browser.post("/console/sign-in", data=form, headers=HTML)
        other = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
        mei.goes_to("/console/account")

        mei.page.get_by_label("Current password").fill(PASSWORD)
        mei.page.get_by_label("New password").fill("four small ferries")
        mei.page.get_by_role("button", name="Change password").click()

        assert "Your password is changed" in mei.page.get_by_role("status").inner_text()
        assert "in 1 browser" in mei.page.inner_text("main")
        assert other_browser.get("/console/account", headers=other).status_code == 303
    mei.page.get_by_role("button", name="Sign out", exact=True).click()
    mei.page.wait_for_url("**/console/sign-in")
    mei.signs_in()
    assert "is wrong" in mei.page.get_by_role("alert").inner_text()
    mei.signs_in("four small ferries")
    assert mei.path == "/console/gate"
    [event] = mei.shop.sql(
        "SELECT actor, data FROM audit_events WHERE event = 'staff.password_set' AND actor = %s",
        f"staff:{mei.staff_id}",
    )
    assert event["data"] == {"staff_id": mei.staff_id}


@pytest.mark.parametrize(
    ("password", "new", "told"),
    [
        ("one small ferry?", "four small ferries", "That is not your password"),
        ("", "four small ferries", "That is not your password"),
        (PASSWORD, "short", "Must be 12 to 200 characters"),
        (PASSWORD, "", "Must be 12 to 200 characters"),
        (PASSWORD, "x" * 201, "Must be 12 to 200 characters"),
    ],
)
@pytest.mark.nightly(but_first=True)
def test_a_password_is_not_changed_when_something_is_wrong(
    somebody: Somebody, password: str, new: str, told: str
) -> None:
    mei = somebody("finance")
    mei.goes_to("/console/account")
    form = {"form_token": mei.form_token(), "password": password, "new-password": new}
    kept = mei.shop.sql("SELECT password_digest FROM staff WHERE staff_id = %s", mei.staff_id)

    with mei.as_client() as client:
        answer = client.post("/console/account", data=form, headers={"Sec-Fetch-Site": "same-origin"})

        assert (answer.status_code, told in answer.text) == (400, True)
        assert client.get("/console/account").status_code == 200
    assert mei.shop.sql("SELECT password_digest FROM staff WHERE staff_id = %s", mei.staff_id) == kept


def test_guessing_a_password_on_a_browser_that_was_left_alone_is_slowed_down(shop: Shop) -> None:
    form = {"password": "guessed", "new-password": NEW_PASSWORD}

    with visitor(shop, "finance") as mei:
        shop.sql("UPDATE staff SET password_digest = %s WHERE name = %s", DIGEST, mei.name)
        statuses = [
            mei.sends("/console/account", **form).status_code
            for _ in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)
        ]
    shop.sql("DELETE FROM attempts")

    assert statuses == [400] * OF_NAME_FROM_ADDRESS.attempts_max + [429]


def test_a_new_role_counts_from_the_next_page_on(shop: Shop) -> None:
    with visitor(shop, "admin") as mei:
        assert mei.status("/console/staff") == 200

        shop.operate(lambda database, runtime: set_role(database, runtime, mei.name, "gate"))

        assert mei.status("/console/staff") == 403


def test_no_password_and_no_token_is_stored_or_logged(shop: Shop, service: Service, name: str) -> None:
    with shop.client() as client:
        assert signs_in(client, name) == 303
        secrets = {PASSWORD, *(cookie.value.strip('"') for cookie in client.cookies.jar if cookie.value)}
        assert len(secrets) == 3, "the password, the session and the browser"

    places = [str(shop.sql(f"SELECT * FROM {table}")) for table in TABLES_OF_SIGN_IN]
    for text in [*places, service.log.read_text()]:
        assert not [secret for secret in secrets if secret in text]
    [row] = shop.sql("SELECT password_digest FROM staff WHERE name = %s", name)
    assert row["password_digest"].startswith("$argon2id$")


def test_the_cookie_is_for_this_site_and_no_script(somebody: Somebody) -> None:
    mei = somebody("operations", signed_in=False)
    mei.signs_in()

    cookie = mei.cookie()

    assert (cookie["httpOnly"], cookie["sameSite"], cookie["secure"], cookie["path"]) == (
        True,
        "Strict",
        False,
        "/console",
    )
    with mei.shop.client() as client:
        form = {"name": mei.name, "password": PASSWORD}
        over_https = client.post(
            "/console/sign-in", data=form, headers={**HTML, "Origin": "https://tickets.example"}
        )
    assert "Secure" in over_https.headers["set-cookie"]


def test_a_form_from_another_site_is_refused(somebody: Somebody) -> None:
    mei = somebody("operations")
    host = mei.shop.url.removeprefix("http://")
    form = {"form_token": mei.form_token()}
    foreign: list[dict[str, str]] = [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": mei.shop.url},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://evil.example/{host}"},
        {},
    ]
    with mei.as_client() as client:
        for path in ("/console/sign-out", "/console/sign-in"):
            for headers in foreign:
                answer = client.post(path, data=form, headers=headers)
                assert (path, headers, answer.status_code) == (path, headers, 403)
        # Its token must be that of the session, too.
        for token in ("", "x", "é", session.form_token("another session")):
            assert (
                client.post("/console/sign-out", data={"form_token": token}, headers=HTML).status_code == 403
            )
        assert client.get("/console/account").status_code == 200

        assert (
            client.post("/console/sign-out", data=form, headers={"Origin": mei.shop.url}).status_code == 303
        )
        assert client.get("/console/account").status_code == 303


@pytest.mark.parametrize("body", [b"x" * 20_000, b"\xff\xfe", b"&".join([b"a=1"] * 60)])
def test_what_is_no_form_is_refused(shop: Shop, body: bytes) -> None:
    with shop.client() as client:
        answer = client.post("/console/sign-in", content=body, headers=HTML)
        assert answer.status_code == (413 if len(body) > FORM_BYTES_MAX else 403)


def test_every_page_forbids_what_it_does_not_need_and_is_kept_nowhere(shop: Shop) -> None:
    with visitor(shop, "admin") as mei:
        for path in (
            "/console/sign-in",
            "/console",
            "/console/tickets",
            "/console/staff",
            "/console/nowhere",
            "/console/tickets/x",
        ):
            answer = mei.http.get(path)
            assert answer.headers["content-security-policy"] == (
                "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
                "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            )
            assert answer.headers["cache-control"] == "private, no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert " style=" not in answer.text
            scripts = re.findall(r"<script.*", answer.text)
            assert set(scripts) <= {
                f'<script src="/console/assets/{name}.js" type="module"></script>'
                for name in ("console", "leaving")
            }


@pytest.mark.nightly
def test_errors_are_pages_too_and_the_interface_keeps_its_problems(somebody: Somebody) -> None:
    mei = somebody("operations")

    assert (mei.goes_to("/console/nowhere"), mei.heading) == (404, "This address does not exist")
    assert (mei.goes_to("/console/tickets/NO-CODE"), mei.heading) == (404, "Unknown ticket")
    assert (mei.goes_to("/console/batches?cursor=x"), mei.heading) == (400, "The request is not valid")
    assert (mei.goes_to("/console/batches?partner=x"), mei.heading) == (400, "The request is not valid")
    assert mei.page.get_by_role("link", name="Batches").is_visible()
    with mei.shop.client() as client:
        assert client.get("/consolation").headers["content-type"] == "application/problem+json"
        assert client.put("/console/tickets").status_code == 405
        assert not [path for path in client.get("/openapi.json").json()["paths"] if "console" in path]


def test_the_pages_are_of_no_use_to_a_partner_s_key(shop: Shop) -> None:
    with httpx.Client(
        base_url=shop.url, trust_env=False, verify=NO_TLS, headers={"X-API-Key": shop.seller().key}
    ) as client:
        assert client.get("/console/tickets").status_code == 303
