"""Read a request: its headers, its client's address, and its body with limits of size and time."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from premade.http.client_address import counted_address

BODY_BYTES_MAX = 1024 * 1024
BODY_SECONDS_MAX = 20
"""Limit for the whole body, however slowly it arrives."""
BODY_PROBLEMS = ("BODY_TOO_SLOW", "BODY_TOO_LARGE", "NOT_JSON", "BODY_ENCODED")
"""The codes of the problems that `receive_json` can raise."""


class BodyRefused(Exception):
    """The body is too large, too slow, or of a type that the service does not read. `code` is one of BODY_PROBLEMS."""

    def __init__(self, code: str, **values: object) -> None:
        """`values`: those in the detail of the problem."""
        super().__init__(code)
        self.code = code
        self.values = values


def header_values(request: Request, name: str) -> list[str]:
    """Return all values of a header. Starlette's own view costs four times as much."""
    sought = name.lower().encode()
    return [value.decode("latin-1") for each, value in request.scope["headers"] if each == sought]


def client_host(request: Request) -> str:
    """Return the client's whole address, or "" if it has none."""
    return request.client.host if request.client else ""


def client_address(request: Request) -> str:
    """Return the client's address, in the form by which its attempts are counted, or "" if it has none."""
    return counted_address(client_host(request))


async def receive_json(request: Request) -> bytes:
    """Return the body of a JSON request.

    Raises:
        BodyRefused: as soon as the body breaks a limit, before it is complete.
    """
    headers: dict[bytes, bytes] = dict(request.scope["headers"])
    body = await _receive(request, headers.get(b"content-length", b""), BODY_BYTES_MAX)
    # Check the type after the size, so that a body that breaks both rules is refused as too large.
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json" and not (
        media_type.startswith(b"application/") and media_type.endswith(b"+json")
    ):
        raise BodyRefused("NOT_JSON")
    if b"content-encoding" in headers:
        codings = ",".join(header_values(request, "Content-Encoding")).lower()
        if any(coding.strip() not in {"", "identity"} for coding in codings.split(",")):
            raise BodyRefused("BODY_ENCODED")
    return body


async def receive_body(request: Request, bytes_max: int) -> bytes:
    """Return the whole body.

    Raises:
        BodyRefused: BODY_TOO_LARGE or BODY_TOO_SLOW.
        ClientDisconnect: the client disconnected.
    """
    declared = next(iter(header_values(request, "Content-Length")), "")
    return await _receive(request, declared.encode("latin-1"), bytes_max)


async def _receive(request: Request, declared: bytes, bytes_max: int) -> bytes:
    """Read with a time limit of our own. asyncio.timeout costs eight times as much, and most bodies have already arrived."""
    # int() reads at most 4,300 digits. The HTTP parser accepts any number of leading zeros, and 20 other digits.
    if declared.isdigit() and int(declared.lstrip(b"0") or b"0") > bytes_max:
        raise _too_large(bytes_max)
    task = asyncio.current_task()
    assert task is not None
    is_late = False

    def cancel() -> None:
        nonlocal is_late
        is_late = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(BODY_SECONDS_MAX, cancel)
    chunks: list[bytes] = []
    size = 0
    try:
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > bytes_max:
                raise _too_large(bytes_max)
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)
    except asyncio.CancelledError:
        # Pass on a cancellation by others, such as a server that stops.
        if not is_late or task.uncancel():
            raise
        raise BodyRefused("BODY_TOO_SLOW", seconds_max=BODY_SECONDS_MAX) from None
    finally:
        timer.cancel()


def _too_large(bytes_max: int) -> BodyRefused:
    return BodyRefused("BODY_TOO_LARGE", bytes_max=bytes_max)
