"""nginx and Caddy in front of the service, each really run with its file of ops/."""

import socket
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import psycopg
import pytest
from export.conftest import large_batch
from proxies.conftest import Proxy, proxy_before
from support.certificates import Certificate
from support.passed_sockets import passable, with_sockets
from support.plain_http import NO_TLS
from support.postgres import own_database
from support.processes import wait_until
from support.service import Service, environment_for, running_service
from support.shop import Shop, unique
from support.staff import PASSWORD, new_staff

from premade.console.auth import SESSION_COOKIE
from premade.http.body import BODY_BYTES_MAX
from premade.staff.sign_in_attempt import OF_NAME_FROM_ADDRESS

pytestmark = pytest.mark.nightly

TICKETS = 60_000
"""Their CSV has some 20 MB: more than the buffers of the loopback and of the proxy."""
MEMORY_BYTES_MAX = 8_000_000
READ_BYTES = 65_536
REQUESTS_PER_ADDRESS = 20
CLIENTS = 4
ANSWERS_MIN = 100


@pytest.fixture(scope="module")
def behind(dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that trusts proxies on this machine."""
    environment = environment_for(dsn, PREMADE_TRUSTED_PROXIES="127.0.0.1")
    with running_service(environment, tmp_path_factory.mktemp("behind") / "log") as service:
        yield service


@pytest.fixture
def proxy(behind: Service, kind: str, certificate: Certificate, tmp_path: Path) -> Iterator[Proxy]:
    with proxy_before(behind.url, kind, certificate, tmp_path) as running:
        yield running


def sign_in(client: httpx.Client, name: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
    """As a browser without Sec-Fetch-Site: only Host and Origin say where the form comes from."""
    origin = str(client.base_url).rstrip("/")
    return client.post(
        "/console/sign-in", data={"name": name, "password": password}, headers={"Origin": origin, **headers}
    )


def test_requests_pass_with_their_ids_and_metrics_do_not(
    dsn: str, behind: Service, proxy: Proxy, shop: Shop
) -> None:
    seller = Shop(dsn, behind.url).seller()
    with proxy.client() as client:
        response = client.get(
            "/api/ota/tickets", headers={"X-API-Key": seller.key, "X-Request-Id": "partner-request-1"}
        )
        assert response.status_code == 200
        assert response.headers["X-Request-Id"] == "partner-request-1"
        assert response.headers.get_list("Strict-Transport-Security") == ["max-age=63072000"]
        assert client.get("/healthz").headers["X-Request-Id"]
        assert client.get("/metrics").status_code == 404
    assert any(line.get("request_id") == "partner-request-1" for line in behind.log_lines())
    assert not [line for line in behind.log_lines() if line["event"] == "http.proxy_not_trusted"]


def test_a_client_counts_by_its_own_address_and_cannot_invent_one(shop: Shop, proxy: Proxy) -> None:
    name = unique("mei")
    new_staff(shop, name, "admin")
    with proxy.client("127.0.0.5") as guesser, proxy.client("127.0.0.6") as other:
        guesses = [
            sign_in(guesser, name, "wrong", **{"X-Forwarded-For": f"198.51.100.{number}"}).status_code
            for number in range(OF_NAME_FROM_ADDRESS.attempts_max + 1)
        ]
        assert guesses == [*[401] * OF_NAME_FROM_ADDRESS.attempts_max, 429]
        assert sign_in(other, name).status_code == 303


def test_the_console_works_through_it(shop: Shop, proxy: Proxy) -> None:
    name = unique("mei")
    new_staff(shop, name, "admin")
    with proxy.client() as client:
        assert client.get("/console").headers["Location"].startswith("/console/sign-in")
        signed_in = sign_in(client, name)
        assert signed_in.status_code == 303
        cookies = {each.split("=")[0]: each for each in signed_in.headers.get_list("Set-Cookie")}
        cookie = cookies[f"__Host-{SESSION_COOKIE}"]
        assert {"secure", "path=/", "httponly"} <= set(cookie.lower().split("; "))
        assert client.get(signed_in.headers["Location"]).status_code == 200
        assert sign_in(client, name, Origin="https://elsewhere.example").status_code == 403
        # Another host of the domain can set a cookie without the prefix.
        token = cookie.partition(";")[0].partition("=")[2]
        client.cookies.clear()
        planted = client.get("/console", headers={"Cookie": f"{SESSION_COOKIE}={token}"})
        assert planted.headers["Location"].startswith("/console/sign-in")


def test_a_large_export_passes_as_fast_as_the_client_reads(dsn: str, behind: Service, proxy: Proxy) -> None:
    shop = Shop(dsn, behind.url)
    seller = shop.seller()
    batch_id = large_batch(shop, seller, TICKETS)
    before = proxy.memory_bytes()
    path = f"/api/ota/batches/{batch_id}/tickets.csv"
    with (
        proxy.client() as client,
        client.stream("GET", path, headers={"X-API-Key": seller.key, "Accept-Encoding": "identity"}) as file,
    ):
        assert file.status_code == 200
        parts = file.iter_raw(READ_BYTES)
        read = len(next(parts))
        # The client pauses. A proxy that read ahead without limit would have all of the file by now.
        with proxy.client() as meanwhile:
            for _ in range(20):
                assert meanwhile.get("/healthz").status_code == 200
        held = proxy.memory_bytes() - before
        stored = sum(
            each.stat().st_size
            for each in proxy.folder.rglob("*")
            if "proxy/" in str(each) and each.is_file()
        )
        read += sum(len(part) for part in parts)
    assert read > 2 * MEMORY_BYTES_MAX
    assert held < MEMORY_BYTES_MAX
    assert stored == 0


@pytest.mark.parametrize("size", [BODY_BYTES_MAX + 1, 20 * BODY_BYTES_MAX])
def test_a_body_over_the_limit_is_refused_as_by_the_service(
    dsn: str, behind: Service, proxy: Proxy, size: int
) -> None:
    key = Shop(dsn, behind.url).seller().key
    headers = {"Content-Type": "application/json", "X-API-Key": key}
    path = "/api/ota/tickets/bulk-generate"
    with httpx.Client(base_url=behind.url, trust_env=False, verify=NO_TLS, timeout=60) as direct:
        expected = direct.post(path, content=b"[" * (BODY_BYTES_MAX + 1), headers=headers)
    with proxy.client() as client:
        refused = client.post(path, content=b"[" * size, headers=headers)
    assert refused.status_code == expected.status_code == 413
    assert refused.headers["Content-Type"] == expected.headers["Content-Type"]
    for member in ("type", "title", "status", "code", "instance"):
        assert refused.json()[member] == expected.json()[member]
    assert refused.json()["request_id"]


def test_an_address_that_fills_its_limit_with_slow_requests_keeps_no_other_out(
    dsn: str, kind: str, certificate: Certificate, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        own = stack.enter_context(own_database(dsn))
        environment = environment_for(
            own,
            PREMADE_TRUSTED_PROXIES="127.0.0.1",
            PREMADE_CONNECTIONS_PER_ADDRESS_MAX=str(REQUESTS_PER_ADDRESS),
        )
        service = stack.enter_context(running_service(environment, tmp_path / "log", workers=1))
        seller = Shop(own, service.url).seller()
        [code] = seller.tickets()
        proxy = stack.enter_context(proxy_before(service.url, kind, certificate, tmp_path))
        # Not 127.0.0.1: that is the proxy, which has no limit.
        flooder, other = (stack.enter_context(proxy.client(each)) for each in ("127.0.0.2", "127.0.0.3"))
        pool = stack.enter_context(ThreadPoolExecutor(REQUESTS_PER_ADDRESS))

        def read_slowly() -> int:
            with proxy.client("127.0.0.2", **{"X-API-Key": seller.key}) as client:
                return client.get(f"/api/ota/tickets/{code}").status_code

        with psycopg.connect(own) as holder:
            holder.execute("LOCK TABLE pre_generated_tickets IN ACCESS EXCLUSIVE MODE")
            slow = [pool.submit(read_slowly) for _ in range(REQUESTS_PER_ADDRESS)]
            wait_until(lambda: flooder.get("/healthz").status_code == 503, "its requests are not limited")
            refused, served = flooder.get("/healthz"), other.get("/healthz")
        assert (refused.json()["code"], served.status_code) == ("TOO_MANY_CONNECTIONS", 200)
        assert refused.headers["Retry-After"]
        # One of them may have come after a request of the loop above.
        assert sorted(each.result() for each in slow)[:-1] == [200] * (REQUESTS_PER_ADDRESS - 1)
        assert flooder.get("/healthz").status_code == 200


def test_a_path_with_quotes_does_not_break_a_response_of_the_proxy(proxy: Proxy) -> None:
    with proxy.client() as client:
        refused = client.post('/api/x","status":"200', content=b"[" * (20 * BODY_BYTES_MAX))
    assert refused.status_code in (404, 413)
    assert refused.json()["status"] == refused.status_code


def test_no_request_fails_while_the_service_restarts(
    dsn: str, kind: str, certificate: Certificate, tmp_path: Path
) -> None:
    """The socket stays open, as systemd keeps it. Reads use kept connections; writes have no Idempotency-Key."""
    results: Counter[str] = Counter()
    stop = threading.Event()
    with ExitStack() as stack:
        own = stack.enter_context(own_database(dsn))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        number = stack.enter_context(passable(listening))
        environment = environment_for(own, PREMADE_TRUSTED_PROXIES="127.0.0.1")

        def service(log: str) -> Service:
            return stack.enter_context(
                running_service(environment, tmp_path / log, command=with_sockets(number), pass_fds=(number,))
            )

        first = service("first")
        seller = Shop(own, first.url).seller()
        proxy = stack.enter_context(proxy_before(first.url, kind, certificate, tmp_path))

        def send_requests(place: int) -> None:
            body = {"product_id": seller.product_id, "quantity": 1, "batch_id": f"B{place}"}
            with proxy.client(**{"X-API-Key": seller.key}) as client:
                while not stop.is_set():
                    try:
                        read = client.get("/api/ota/tickets").status_code
                        written = client.post(
                            "/api/ota/tickets/bulk-generate?dry_run=true", json=body
                        ).status_code
                        results[f"GET {read}"] += 1
                        results[f"POST {written}"] += 1
                    except httpx.TransportError as error:
                        results[repr(error)] += 1

        def go_on() -> None:
            enough = results["POST 200"] + ANSWERS_MIN
            wait_until(
                lambda: results["POST 200"] >= enough or any(each.done() for each in running),
                "nobody is answered",
            )
            assert not [each.exception() for each in running if each.done()]

        pool = stack.enter_context(ThreadPoolExecutor())
        stack.callback(stop.set)
        running = [pool.submit(send_requests, place) for place in range(CLIENTS)]
        go_on()
        first.process.terminate()
        assert first.process.wait(60) == 0
        service("second")
        go_on()
        stop.set()
        for each in running:
            each.result()
    assert set(results) == {"GET 200", "POST 200"}, results
