"""Sign-in by a real OpenID provider: who gets in, and what happens if the provider or somebody else misbehaves."""

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from playwright.sync_api import sync_playwright
from pydantic import SecretStr
from pyotp.totp import TOTP
from staff.test_second_factor import set_up
from support.attempts import use_up
from support.chromium import launched
from support.plain_http import NO_TLS
from support.postgres import as_service_role
from support.provider import CLIENT_ID, CLIENT_SECRET, running_provider, signs_in_there
from support.service import Service, environment_for, running_service
from support.shop import Shop, unique
from support.staff import PASSWORD, new_staff
from support.terminal import Operator

from premade.console.auth import HALF_COOKIE, PROVIDER_COOKIE, SESSION_COOKIE
from premade.runtime.settings import Settings
from premade.staff import provider as provider_module
from premade.staff.provider import Provider
from premade.staff.provider_settings import ProviderAway, ProviderRefused, SignInSecrets, provider_settings
from premade.staff.sign_in_attempt import OF_PROVIDER
from premade.throttle.attempts import CountedSubject

BEGIN, CALLBACK = "/console/sign-in/provider", "/console/sign-in/provider/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def service(dsn: str, issuer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder: Path = tmp_path_factory.mktemp("single-sign-on")
    (folder / "secret").write_text(f"{CLIENT_SECRET}\n")
    environment = environment_for(
        as_service_role(dsn),
        PREMADE_OIDC_ISSUER=issuer,
        PREMADE_OIDC_CLIENT_ID=CLIENT_ID,
        PREMADE_OIDC_CLIENT_SECRET_FILE=str(folder / "secret"),
        PREMADE_OIDC_NAME="Harbour <ID>",
        PREMADE_OIDC_SECOND_FACTOR="amr",
        PREMADE_SECOND_FACTOR_ROLES="finance",
        PREMADE_TRUSTED_PROXIES="127.0.0.1",
    )
    with running_service(environment, folder / "log", workers=1) as running:
        yield running


@dataclass
class Browser:
    """A browser with the console and the provider."""

    http: httpx.Client
    shop: Shop

    def begins(self, next_page: str = "/console/account") -> str:
        """The address at the provider that the button leads to."""
        answer = self.http.get(BEGIN, params={"next": next_page})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def signs_in(self, account: str, next_page: str = "/console/account", **more: str) -> httpx.Response:
        """The response after the provider has led the browser back."""
        return self.http.get(signs_in_there(self.http, self.begins(next_page), account=account, **more))

    @property
    def is_signed_in(self) -> bool:
        return self.http.get("/console/account").status_code == 200


@pytest.fixture
def browser(shop: Shop) -> Iterator[Browser]:
    with httpx.Client(base_url=shop.url, timeout=60, trust_env=False, verify=NO_TLS) as http:
        yield Browser(http, shop)


@pytest.fixture
def email(shop: Shop) -> str:
    email = f"{unique('mei')}@example.com".lower()
    new_staff(shop, email, "operations")
    return email


def staff_events(shop: Shop, event: str, email: str) -> list[dict[str, Any]]:
    return [
        row["data"]
        for row in shop.sql(
            "SELECT data FROM audit_events WHERE event = %s AND (actor = 'staff:' || (SELECT staff_id FROM staff WHERE name = %s)"
            " OR data->>'staff_id' = (SELECT staff_id::text FROM staff WHERE name = %s)) ORDER BY event_id",
            event, email, email,
        )
    ]  # fmt: skip


def refusal_of(answer: httpx.Response) -> str:
    """The refusal that the sign-in page shows, with a way to go on."""
    assert answer.status_code in {401, 429, 503}, answer.text
    assert f'href="{BEGIN}?next=' in answer.text
    [refusal] = re.findall(r'<div class="notice bad" role="alert">(.*?)</div>', answer.text)
    return refusal


def test_the_button_leads_to_the_provider_and_back_into_a_session(browser: Browser, email: str) -> None:
    page = browser.http.get("/console/sign-in", params={"next": "/console/stock?a=1"})
    there = browser.begins("/console/stock?a=1")
    query = parse_qs(urlsplit(there).query)
    answer = browser.http.get(signs_in_there(browser.http, there, account=f"1~{email.upper()}"))

    assert "Sign in with Harbour &lt;ID&gt;" in page.text
    assert query["code_challenge_method"] == ["S256"]
    assert {"state", "nonce", "code_challenge"} < set(query)
    # A page leads on: a redirect from another site would come without the cookie of the session.
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/console/stock?a=1">' in answer.text
    assert browser.is_signed_in
    assert PROVIDER_COOKIE not in browser.http.cookies
    assert staff_events(browser.shop, "staff.signed_in", email) == [
        {"method": "provider", "client_ip": "127.0.0.1"}
    ]
    assert len(staff_events(browser.shop, "staff.provider_linked", email)) == 1


def test_the_event_of_a_sign_in_by_password_says_so(browser: Browser, email: str) -> None:
    form = {"name": email, "password": PASSWORD}
    browser.http.post("/console/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})

    [event] = staff_events(browser.shop, "staff.signed_in", email)
    assert event["method"] == "password"


def test_a_linked_account_signs_in_and_another_one_with_the_same_address_does_not(
    browser: Browser, email: str
) -> None:
    browser.signs_in(f"1~{email}")
    browser.http.cookies.clear()
    again = browser.signs_in(f"1~{email}")
    browser.http.cookies.clear()
    other = browser.signs_in(f"2~{email}")

    assert again.status_code == 200
    assert "its id is \u2068" in refusal_of(other) or f"2~{email}" in refusal_of(other)
    assert not browser.is_signed_in


@pytest.mark.parametrize(
    "account",
    [
        "unverified~{email}",
        "1~nobody@example.com",
        "1~{email}.example.org",
        "1~\u200b{email}",
        "1~{email_with_a_wide_letter}",
    ],
)
def test_nobody_else_gets_in_and_nobody_is_added(browser: Browser, email: str, account: str) -> None:
    staff = browser.shop.sql("SELECT count(*) AS n FROM staff")
    wide = f"\uff4d{email[1:]}"
    answer = browser.signs_in(account.format(email=email, email_with_a_wide_letter=wide))

    assert "No active member of staff" in refusal_of(answer)
    assert not browser.is_signed_in
    assert browser.shop.sql("SELECT count(*) AS n FROM staff") == staff
    assert staff_events(browser.shop, "staff.provider_linked", email) == []


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_disabled_member_does_not_get_in(browser: Browser, email: str, *, is_linked: bool) -> None:
    if is_linked:
        browser.signs_in(f"1~{email}")
    Operator(browser.shop.dsn).does("staff", "disable", email)
    still = browser.is_signed_in
    browser.http.cookies.clear()
    answer = browser.signs_in(f"1~{email}")

    assert not still
    assert "No active member of staff" in refusal_of(answer)
    reasons = [each["reason"] for each in staff_events(browser.shop, "staff.sign_in_refused", email)]
    assert reasons == (["provider_disabled"] if is_linked else [])


def test_a_new_password_ends_the_session_and_the_account_still_signs_in(browser: Browser, email: str) -> None:
    browser.signs_in(f"1~{email}")
    changed = Operator(browser.shop.dsn).run(
        "staff", "set-password", email, "--password-stdin", typed="seven quiet harbours\n"
    )
    assert changed.returncode == 0, changed.stderr
    still = browser.is_signed_in
    browser.http.cookies.clear()
    browser.signs_in(f"1~{email}")

    assert not still
    assert browser.is_signed_in


def test_an_admin_links_and_unlinks_an_account(browser: Browser, issuer: str, email: str) -> None:
    operator = Operator(browser.shop.dsn)
    provider = {"PREMADE_OIDC_ISSUER": issuer, "PREMADE_OIDC_CLIENT_ID": CLIENT_ID}
    other = f"{unique('ann')}@example.com".lower()
    new_staff(browser.shop, other, "gate")
    linked = operator.run("staff", "link-provider", email, "7~elsewhere@example.com", **provider)
    taken = operator.is_refused("staff", "link-provider", other, "7~elsewhere@example.com", **provider)
    browser.signs_in("7~elsewhere@example.com")
    first = browser.is_signed_in
    unlinked = operator.run("staff", "unlink-provider", email)
    after = browser.is_signed_in
    browser.http.cookies.clear()

    assert linked.returncode == unlinked.returncode == 0, linked.stderr + unlinked.stderr
    assert "another member has it" in " ".join(taken.split())
    assert (first, after) == (True, False)
    assert "No active member of staff" in refusal_of(browser.signs_in("7~elsewhere@example.com"))
    assert "PREMADE_OIDC_ISSUER" in operator.is_refused("staff", "link-provider", email, "1")


def test_the_second_factor_is_asked_unless_the_provider_has_checked_several(
    browser: Browser, email: str
) -> None:
    totp, _ = set_up(browser.shop, email)
    assert isinstance(totp, TOTP)
    half = browser.signs_in(f"1~{email}", "/console/stock", amr="pwd")
    is_half = HALF_COOKIE in browser.http.cookies and not browser.is_signed_in
    headers = {"Sec-Fetch-Site": "same-origin"}
    completed = browser.http.post("/console/sign-in/code", data={"code": totp.now()}, headers=headers)
    browser.http.cookies.clear()
    whole = browser.signs_in(f"1~{email}", amr="pwd mfa")

    assert 'content="0; url=/console/sign-in/code?next=/console/stock"' in half.text
    assert is_half
    assert completed.status_code == 303
    assert whole.status_code == 200
    assert browser.is_signed_in
    methods = [each["method"] for each in staff_events(browser.shop, "staff.signed_in", email)]
    assert methods == ["provider", "provider"]


def test_a_role_that_needs_a_second_factor_sets_it_up(browser: Browser, email: str) -> None:
    browser.shop.sql("UPDATE staff SET role = 'finance' WHERE name = %s", email)
    browser.signs_in(f"1~{email}")

    assert not browser.is_signed_in
    assert "Set up an authenticator app" in browser.http.get("/console/sign-in/code").text


@pytest.mark.parametrize("next_page", ["https://evil.example/", "//evil.example", "/docs", "/console/\\evil"])
def test_nobody_is_led_to_another_site(browser: Browser, email: str, next_page: str) -> None:
    answer = browser.signs_in(f"1~{email}", next_page)
    assert 'content="0; url=/console">' in answer.text

    # A cookie that somebody else wrote leads nowhere else either.
    browser.http.cookies.clear()
    there = browser.begins()
    token = browser.http.cookies[PROVIDER_COOKIE].partition(".")[0]
    browser.http.cookies.delete(PROVIDER_COOKIE)
    browser.http.cookies.set(PROVIDER_COOKIE, f"{token}.Ly9ldmlsLmV4YW1wbGU", domain="127.0.0.1")
    answer = browser.http.get(signs_in_there(browser.http, there, account=f"1~{email}"))
    assert 'content="0; url=/console">' in answer.text


def test_a_response_to_another_browser_signs_nobody_in(browser: Browser, email: str) -> None:
    back = signs_in_there(browser.http, browser.begins(), account=f"1~{email}")
    browser.http.cookies.clear()
    without = browser.http.get(back)
    browser.begins()
    in_own_sign_in = browser.http.get(back)

    for answer in (without, in_own_sign_in):
        assert "another browser" in refusal_of(answer)
        assert SESSION_COOKIE not in answer.cookies
    assert not browser.is_signed_in


def test_a_code_works_once(browser: Browser, email: str) -> None:
    there = browser.begins()
    cookie = browser.http.cookies[PROVIDER_COOKIE]
    back = signs_in_there(browser.http, there, account=f"1~{email}")
    first = browser.http.get(back)
    repeated = browser.http.get(back)
    browser.http.cookies.clear()
    browser.http.cookies.set(PROVIDER_COOKIE, cookie, domain="127.0.0.1")
    with_cookie = browser.http.get(back)

    assert first.status_code == 200
    assert "already completed" in refusal_of(repeated)
    assert "no longer accepts" in refusal_of(with_cookie)
    assert not browser.is_signed_in


@pytest.mark.parametrize(
    ("error", "text"),
    [("access_denied", "somebody cancelled it"), ("server_error", "cannot use the response")],
)
def test_a_refusal_of_the_provider_gives_a_page(browser: Browser, error: str, text: str) -> None:
    back = signs_in_there(browser.http, browser.begins(), "cancel", error=error)
    assert text in refusal_of(browser.http.get(back))


def test_another_site_cannot_start_a_sign_in(browser: Browser) -> None:
    answer = browser.http.get(BEGIN, headers={"Sec-Fetch-Site": "cross-site"})

    assert answer.headers["location"] == "/console/sign-in"
    assert PROVIDER_COOKIE not in answer.cookies


def test_over_https_the_cookie_belongs_to_this_host_alone(browser: Browser) -> None:
    answer = browser.http.get(BEGIN, headers={"X-Forwarded-Proto": "https"})
    attributes = {part.strip().lower() for part in answer.headers["set-cookie"].split(";")[1:]}

    assert answer.headers["set-cookie"].startswith(f"__Host-{PROVIDER_COOKIE}=")
    assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
    assert parse_qs(urlsplit(answer.headers["location"]).query)["redirect_uri"][0].startswith("https://")


def test_sign_ins_from_one_address_are_limited(browser: Browser, email: str) -> None:
    headers = {"X-Forwarded-For": "192.0.2.77"}
    use_up(browser.shop, CountedSubject(OF_PROVIDER, "192.0.2.77"))
    back = signs_in_there(browser.http, browser.begins(), account=f"1~{email}")
    assert "minute" in refusal_of(browser.http.get(back, headers=headers))


def test_the_secret_is_not_logged(browser: Browser, email: str, service: Service) -> None:
    browser.signs_in(f"1~{email}")
    log = service.log.read_text()
    assert CLIENT_SECRET not in log
    assert "code=" not in log


@pytest.mark.nightly
def test_in_a_real_browser_the_policy_and_the_cookies_let_it_through(shop: Shop, email: str) -> None:
    # For a browser `localhost` and 127.0.0.1 are two sites.
    console = shop.url.replace("127.0.0.1", "localhost")
    with sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        page = browser.new_page()
        page.goto(f"{console}/console/account")
        page.get_by_role("link", name="Sign in with Harbour <ID>").click()
        page.locator("input[name=account]").fill(f"1~{email}")
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{console}/console/account")
        heading = page.get_by_role("heading", level=1).inner_text()
        browser.close()

    assert heading == "Your account"


# --- The client of the provider alone ---


def client(shop: Shop, issuer: str) -> Provider:
    chosen = provider_settings(
        Settings(oidc_issuer=issuer, oidc_client_id=CLIENT_ID, oidc_client_secret=SecretStr(CLIENT_SECRET))
    )
    assert chosen
    return Provider(chosen, shop.runtime)


SECRETS = SignInSecrets("a token")
SIGNER = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
ISSUER = "https://login.example.com"
Change = Callable[[dict[str, Any]], Any]


def claims_at(shop: Shop) -> dict[str, Any]:
    now = int(shop.runtime.now().timestamp())
    return {"iss": ISSUER, "aud": CLIENT_ID, "sub": "1", "nonce": SECRETS.nonce, "iat": now, "exp": now + 300,
            "email": "mei@example.com", "email_verified": True}  # fmt: skip


def verify(
    shop: Shop, claims: dict[str, Any], header: dict[str, Any] | None = None, key: Any = SIGNER
) -> Any:
    header = header or {"alg": "RS256", "kid": "1"}
    token = jwt.encode(header, claims, key, algorithms=[header["alg"]])
    return client(shop, ISSUER)._verified(token, KeySet([SIGNER]), SECRETS.nonce)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda c: c.update(iss="https://login.example.org"), "token"),
        (lambda c: c.update(aud="another"), "token"),
        (lambda c: c.update(aud=[CLIENT_ID, "another"]), "token"),
        (lambda c: c.update(azp="another"), "token"),
        (lambda c: c.update(nonce="of another sign-in"), "token"),
        (lambda c: c.pop("nonce"), "token"),
        (lambda c: c.pop("exp"), "clock"),
        (lambda c: c.update(sub=""), "token"),
        (lambda c: c.update(sub=7), "token"),
        (lambda c: c.update(sub="a\0b"), "token"),
        (lambda c: c.update(exp=c["iat"] - 120), "clock"),
        (lambda c: c.update(iat=c["iat"] + 120), "clock"),
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(shop: Shop, change: Change, reason: str) -> None:
    claims = claims_at(shop)
    assert verify(shop, dict(claims)).subject == "1"
    change(claims)
    with pytest.raises(ProviderRefused) as refused:
        verify(shop, claims)
    assert refused.value.reason == reason


def test_only_signatures_with_a_key_of_the_provider_count(shop: Shop) -> None:
    claims = claims_at(shop)
    stranger = RSAKey.generate_key(2048, {"kid": "1"})
    unsigned = ".".join([*jwt.encode({"alg": "RS256"}, claims, SIGNER).split(".")[:2], ""])
    for attempt in (
        lambda: verify(shop, claims, key=stranger),
        lambda: client(shop, ISSUER)._verified(unsigned, KeySet([SIGNER]), SECRETS.nonce),
        lambda: client(shop, ISSUER)._verified("no token", KeySet([SIGNER]), SECRETS.nonce),
    ):
        with pytest.raises(ProviderRefused):
            attempt()


def test_clocks_may_differ_by_a_minute(shop: Shop) -> None:
    claims = claims_at(shop)
    assert verify(shop, {**claims, "iat": claims["iat"] + 50, "exp": claims["iat"] - 50})


@pytest.mark.parametrize("verified", [False, None, "yes", 1])
def test_an_address_that_is_not_verified_names_nobody(shop: Shop, verified: Any) -> None:
    assert verify(shop, claims_at(shop)).name == "mei@example.com"
    assert verify(shop, {**claims_at(shop), "email_verified": verified}).name is None


def test_a_provider_that_is_down_silent_or_answers_nonsense(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def reason(issuer: str) -> str:
        with pytest.raises(ProviderAway) as away:
            await client(shop, issuer).sign_in_address(SECRETS, "http://127.0.0.1/")
        return away.value.reason

    monkeypatch.setattr(provider_module, "REQUEST_SECONDS_MAX", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert shop.operate(lambda _, __: reason(address)) == "no_response"
    assert shop.operate(lambda _, __: reason(address)) == "no_response"
    # Its pages are HTML.
    assert shop.operate(lambda _, __: reason(shop.url)) == "unusable"


def test_a_response_is_read_up_to_its_limit(shop: Shop, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_module, "RESPONSE_BYTES_MAX", 100)

    async def read() -> None:
        await client(shop, issuer).check()

    with pytest.raises(ProviderAway) as away:
        shop.operate(lambda _, __: read())
    assert away.value.reason == "unusable"


@pytest.mark.nightly
def test_the_doctor_says_whether_the_provider_s_document_can_be_read(shop: Shop, issuer: str) -> None:
    def lines(**environment: str) -> str:
        return " ".join(Operator(shop.dsn).run("doctor", **environment).stdout.split())

    chosen = {"PREMADE_OIDC_CLIENT_ID": CLIENT_ID, "PREMADE_OIDC_CLIENT_SECRET": CLIENT_SECRET}
    assert f"Staff can sign in at {issuer}." in lines(PREMADE_OIDC_ISSUER=issuer, **chosen)
    wrong = lines(PREMADE_OIDC_ISSUER=f"{issuer}/", **chosen)
    assert f"Staff cannot sign in at {issuer}/" in wrong
    assert CLIENT_SECRET not in wrong


@pytest.mark.parametrize(
    "settings",
    [
        {"PREMADE_OIDC_ISSUER": "http://login.example.com", "PREMADE_OIDC_CLIENT_ID": "premade"},
        {"PREMADE_OIDC_ISSUER": "https://login.example.com"},
        {"PREMADE_OIDC_ISSUER": "login.example.com", "PREMADE_OIDC_CLIENT_ID": "premade"},
    ],
)
def test_settings_that_cannot_work_are_refused(shop: Shop, settings: dict[str, str]) -> None:
    assert "PREMADE_OIDC_ISSUER" in Operator(shop.dsn).is_refused("staff", "list", **settings)
