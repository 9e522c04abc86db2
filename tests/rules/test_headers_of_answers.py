"""What every answer carries, whatever its route and its status: no cache may keep it, and no browser may guess its type."""

import re
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from browser.visitors import visitor
from starlette.routing import Route
from support.plain_http import NO_TLS
from support.service import Service
from support.shop import Seller, Shop, unique
from support.wire import exchange

from premade.app import make_app
from premade.runtime.clock import Runtime
from premade.runtime.settings import Settings

PUBLIC = {
    "/",
    "/.well-known/premade-keys.json",
    "/console/assets/{name}",
    "/console/gate/files/{version}/{name:path}",
    "/docs",
    "/docs/assets/{name:path}",
    "/favicon.ico",
    "/openapi.json",
    "/problems",
    "/problems/{code}",
}
"""The routes that answer everybody the same. Whoever adds one must be sure of that."""
NAMES = {
    "name": "console.css",
    "name:path": "start.js",
    "version": "1",
    "code": "CRUISE-2025-FERRY-0000000000000",
    "order_id": "ORD-0000000000000",
    "rest:path": "nowhere",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes(dsn: str) -> list[Route]:
    """Every route of the service: interface, console, gate page, documents."""
    app: Any = vars(make_app(Settings(database_url=dsn), Runtime(ZoneInfo("UTC"))))["_app"]
    return [route for route in app.routes if isinstance(route, Route)]


def paths(dsn: str) -> list[tuple[str, str]]:
    """The template of each route, and a path that it takes."""

    def filled(template: str) -> str:
        return re.sub(r"\{(.*?)\}", lambda found: NAMES.get(found[1], "1"), template)

    return [(path, filled(path)) for path in {route.path: None for route in routes(dsn)}]


def assert_uncached(answer: httpx.Response) -> None:
    told = f"{answer.request.method} {answer.request.url.path} {answer.status_code} {answer.headers}"
    assert answer.headers.get_list("cache-control") == ["private, no-store"], told
    assert answer.headers.get_list("x-content-type-options") == ["nosniff"], told
    vary = answer.headers.get_list("vary")
    assert len(vary) == 1, told
    assert {"X-API-Key", "Cookie"} <= {name.strip() for name in vary[0].split(",")}, told


def test_the_public_routes_are_named_here(dsn: str) -> None:
    public = {route.path for route in routes(dsn) if getattr(route, "is_public", False)}

    assert public == PUBLIC


def test_nothing_is_kept_by_a_cache_whoever_asks_for_whatever(dsn: str, shop: Shop, seller: Seller) -> None:
    few = shop.key(seller.name, ["inventory:read"]).key
    statuses: set[int] = set()
    with (
        shop.client() as nobody,
        shop.client("pm_live_abcdefghjk_" + "a" * 40) as stranger,
        shop.client(few) as with_few_permissions,
        visitor(shop, "admin") as admin,
        visitor(shop, "gate") as at_the_gate,
    ):
        clients = (nobody, stranger, with_few_permissions, seller.http, admin.http, at_the_gate.http)
        for template, path in paths(dsn):
            for client in clients:
                # What changes something is sent with nothing, and refused.
                for method in METHODS if client in (seller.http, nobody) else ("GET", "POST"):
                    answer = client.request(
                        method,
                        path,
                        json={} if client is seller.http else None,
                        params={"unknown": "1"} if client is with_few_permissions else None,
                    )
                    statuses.add(answer.status_code)
                    if template in PUBLIC and answer.status_code == 200:
                        assert answer.headers["x-content-type-options"] == "nosniff"
                        assert "vary" not in answer.headers
                    else:
                        assert_uncached(answer)
    assert {200, 303, 400, 401, 403, 404, 405} <= statuses


def test_files_pictures_and_lists_are_not_kept_either(seller: Seller) -> None:
    batch_id = unique("BATCH")
    [code] = seller.tickets(1, batch_id=batch_id)
    seller.activate(code)
    for path in (
        f"/api/ota/tickets/{code}",
        f"/api/ota/tickets/{code}/qr.png",
        f"/api/ota/tickets/{code}/qr.svg",
        f"/api/ota/batches/{batch_id}/tickets",
        f"/api/ota/batches/{batch_id}/tickets.csv",
        f"/api/ota/batches/{batch_id}/tickets.jsonl",
        "/api/ota/orders",
    ):
        answer = seller.http.get(path)
        assert answer.status_code == 200, path
        assert_uncached(answer)
    # What the answer depends on beside who asks is still told.
    assert "Accept-Encoding" in seller.http.get(f"/api/ota/batches/{batch_id}/tickets").headers["vary"]


@pytest.mark.parametrize(
    "request_",
    [b"NO HTTP\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 200_000],
    ids=["400", "host", "431"],
)
def test_what_is_refused_before_it_is_a_request_is_not_kept(service: Service, request_: bytes) -> None:
    head = exchange(service, request_).partition(b"\r\n\r\n")[0].decode()
    assert_uncached(httpx.Response(400, headers=_lines(head), request=httpx.Request("GET", service.url)))


def _lines(head: str) -> list[tuple[str, str]]:
    return [
        (name, value.strip()) for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
    ]


@pytest.mark.parametrize(("path", "status"), [("/metrics", 200), ("/", 404)])
def test_no_cache_keeps_the_metrics(service: Service, path: str, status: int) -> None:
    """They name partners and what they sell."""
    answer = httpx.get(service.metrics_url.removesuffix("/metrics") + path, trust_env=False, verify=NO_TLS)
    assert answer.status_code == status
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
