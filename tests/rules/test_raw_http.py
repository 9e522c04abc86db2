"""What clients send that no client library lets through: each gets an answer, and none of it is obeyed by mistake."""

import asyncio
import json

import pytest
from support.service import Service
from support.shop import Seller, Shop, unique
from support.wire import Answer, activation, get, wait_until_all_has_arrived, wires

from premade.http.request_head import HEAD_BYTES_MAX

GENERATE = "/api/ota/tickets/bulk-generate"
OTHER_TURNS_MAX = 50
UPGRADE = {
    "Connection": "Upgrade, HTTP2-Settings",
    "Upgrade": "h2c",
    "HTTP2-Settings": "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
}


def answers(service: Service, pieces: list[bytes], count: int = 1, *, closes: bool = False) -> list[Answer]:
    """What comes back over one connection when the pieces are sent apart."""

    async def run() -> list[Answer]:
        async with wires(service, 1) as [wire]:
            for piece in pieces:
                wire.send(piece)
                await wire.writer.drain()
                # In a packet of its own: the service has taken the one before when another is answered.
                async with wires(service, 1) as [other]:
                    await other.send(get("/healthz")).answer()
            given = [await wire.answer() for _ in range(count)]
            if closes:
                assert await wire.is_closed_by_the_service()
            return given

    return asyncio.run(run())


def refusal(service: Service, *pieces: bytes) -> tuple[int, str]:
    """Of what ends its connection."""
    [answer] = answers(service, list(pieces), closes=True)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} <= set(problem)
    assert answer.headers["x-request-id"] == problem["request_id"]
    assert is_logged(service, problem["request_id"])
    assert problem["status"] == answer.status
    return answer.status, problem["code"]


def is_logged(service: Service, request_id: str) -> bool:
    """A line is written at the end of the turn in which the answer went out: other turns come after it."""
    for _ in range(OTHER_TURNS_MAX):
        if any(line.get("request_id") == request_id for line in service.log_lines()):
            return True
        wait_until_all_has_arrived(service)
    return False


def generation(seller: Seller, batch_id: str, *lines: str) -> tuple[bytes, bytes]:
    """Head, without its length, and body."""
    body = {"product_id": seller.product_id, "quantity": 1, "batch_id": batch_id}
    told = [f"POST {GENERATE} HTTP/1.1", "Host: here", f"X-API-Key: {seller.key}", *lines]
    return "\r\n".join([*told, ""]).encode(), json.dumps(body).encode()


@pytest.mark.parametrize(("length", "status"), [(None, 201), (2 * 1024 * 1024, 413)])
def test_a_length_with_thousands_of_zeros_before_it_is_that_length(
    service: Service, seller: Seller, length: int | None, status: int
) -> None:
    head, body = generation(seller, unique("BATCH"), "Content-Type: application/json")
    declared = b"Content-Length: " + b"0" * 4_400 + b"%d\r\n\r\n" % (length or len(body))

    [answer] = answers(service, [head + declared + body])

    assert answer.status == status


def filled_head(bytes_: int) -> bytes:
    start, end = b"GET /healthz HTTP/1.1\r\nHost: here\r\nX-Filled: ", b"\r\n\r\n"
    return start + b"x" * (bytes_ - len(start) - len(end)) + end


@pytest.mark.parametrize("parts", [1, 5])
def test_a_head_may_have_64_kib(service: Service, parts: int) -> None:
    fits = filled_head(HEAD_BYTES_MAX)
    too_large = filled_head(HEAD_BYTES_MAX + 1000)

    [answer] = answers(service, cut(fits, parts))

    assert answer.status == 200
    assert refusal(service, *cut(too_large, parts)) == (431, "HEAD_TOO_LARGE")


def cut(whole: bytes, parts: int) -> list[bytes]:
    size = -(-len(whole) // parts)
    return [whole[start : start + size] for start in range(0, len(whole), size)]


@pytest.mark.parametrize(
    "unfinished",
    [
        b"GET /" + b"x" * 200_000,
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000,
        b"GET / HTTP/1.1\r\n" + b"X" * 200_000,
    ],
    ids=["path", "headers", "name"],
)
def test_a_head_is_refused_before_its_end(service: Service, unfinished: bytes) -> None:
    assert refusal(service, unfinished) == (431, "HEAD_TOO_LARGE")


def test_a_large_body_in_the_packet_of_a_small_head_is_no_large_head(
    service: Service, seller: Seller
) -> None:
    [code] = seller.tickets()
    request = activation(seller, code, name="x" * 150_000)

    assert [answer.status for answer in answers(service, [request + request], 2)] == [400, 400]


def test_answers_are_given_to_those_before_one_that_is_refused(service: Service) -> None:
    first, second = answers(service, [get("/healthz") * 2 + b"NO HTTP\r\n\r\n"], 2, closes=True)

    assert first.status == second.status == 200


@pytest.mark.parametrize("parts", [1, 2, 7])
@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_offer_to_upgrade_is_ignored_and_its_body_is_read(
    service: Service, seller: Seller, parts: int, protocol: str
) -> None:
    first, second, third = seller.tickets(3)
    offer = {**UPGRADE, "Upgrade": protocol}
    requests = [activation(seller, code, headers=offer) for code in (first, second)]
    plain = activation(seller, third)
    before = len(service.log_lines())
    head, body = requests[0].split(b"\r\n\r\n")
    pieces = [head + b"\r\n\r\n", body] if parts == 2 else cut(requests[0], parts)

    given = answers(service, [*pieces, requests[1] + plain], 3)

    assert [answer.status for answer in given] == [200] * 3
    assert [answer.json()["ticket_code"] for answer in given] == [first, second, third]
    assert not [line for line in service.log_lines()[before:] if line["level"] == "warning"]
    assert "uvicorn[standard]" not in service.log.read_text()


def test_a_chunked_body_behind_an_offer_to_upgrade_is_read(service: Service, seller: Seller) -> None:
    batch_id = unique("BATCH")
    lines = [f"{name}: {value}" for name, value in UPGRADE.items()]
    head, body = generation(
        seller, batch_id, *lines, "Content-Type: application/json", "Transfer-Encoding: chunked"
    )

    [answer, after] = answers(
        service, [head + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body), get("/healthz")], 2
    )

    assert (answer.status, after.status) == (201, 200)
    assert answer.json()["batch_id"] == batch_id


def test_trailers_are_no_headers(service: Service, seller: Seller, shop: Shop) -> None:
    def with_trailer(trailer: str, *left_out: str) -> Answer:
        head, body = generation(
            seller, unique("BATCH"), "Content-Type: application/json", "Transfer-Encoding: chunked"
        )
        for name in left_out:
            head = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(name.encode()))
        # The head first: the body comes when the request is being read.
        chunk = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, trailer.encode())
        [answer] = answers(service, [head + b"\r\n" + chunk])
        return answer

    assert with_trailer(f"X-API-Key: {seller.key}", "X-API-Key").status == 401
    assert with_trailer("Content-Type: application/json", "Content-Type").status == 415
    # With it as a header, the second would be refused as another request.
    assert [with_trailer("Idempotency-Key: same").status for _ in range(2)] == [201, 201]


def test_trailers_without_end_are_refused(service: Service, seller: Seller) -> None:
    head, body = generation(
        seller, unique("BATCH"), "Content-Type: application/json", "Transfer-Encoding: chunked"
    )
    start = head + b"\r\n%x\r\n%b\r\n0\r\n" % (len(body), body)

    assert refusal(service, start, b"X: y\r\n" * 20_000) == (431, "HEAD_TOO_LARGE")
    assert refusal(service, start, b"X: " + b"y" * 200_000) == (431, "HEAD_TOO_LARGE")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_path_that_ends_in_a_new_line_is_no_path(seller: Seller, method: str) -> None:
    [code] = seller.tickets()
    body = {"product_id": seller.product_id, "quantity": 1, "batch_id": unique("BATCH")}
    for path in (GENERATE, f"/api/ota/tickets/{code}/activate", f"/api/ota/tickets/{code}", "/healthz"):
        answer = seller.http.request(method, f"{path}%0A", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND"), path


@pytest.mark.parametrize("first", ["chunked", "identity", "gzip", ""])
def test_a_second_transfer_encoding_is_refused(service: Service, first: str) -> None:
    """Who reads only one of the two finds another end of the body."""
    head = (
        f"POST {GENERATE} HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: {first}\r\nTransfer-Encoding: chunked"
    )
    assert refusal(service, f"{head}\r\n\r\n0\r\n\r\n".encode()) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(
    "request_",
    [
        b"FETCH /healthz HTTP/1.1\r\nHost: here\r\n\r\n",
        "GET /é HTTP/1.1\r\nHost: here\r\n\r\n".encode(),
        b"GET /a\x01b HTTP/1.1\r\nHost: here\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: here\r\nX: a\x01b\r\n\r\n",
        b"CONNECT here:80 HTTP/1.1\r\nHost: here\r\n\r\n",
        b"POST /healthz HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
    ids=["method", "letter", "control", "header", "connect", "chunk", "tls"],
)
def test_what_is_no_http_is_refused_as_all_else_is(service: Service, request_: bytes) -> None:
    assert refusal(service, request_) == (400, "INVALID_REQUEST")
