"""The gate page, which also works without network, and the endpoints of its scripts."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Annotated

import orjson
from fastapi import Query, Security
from fastapi.security import SecurityScopes
from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from premade.catalog.names import function_names_in
from premade.catalog.product import list_functions
from premade.console.addresses import HOME
from premade.console.auth import RoleMissing, session_token
from premade.console.csrf import FormForeign, require_own_page
from premade.console.rendering import CONTENT_SECURITY_POLICY, HEADERS, Templates, assets
from premade.console.routing import Page, StaffRequest, with_error_pages
from premade.devices.device_id import name_of_device_or_scan
from premade.http.body import header_values
from premade.http.endpoint import Reply, json_router
from premade.http.fields import AnswerModel, Timestamp
from premade.http.gateway import PageRoute
from premade.http.pagination import optional
from premade.http.streaming import Stream
from premade.offline.stream import snapshot_stream
from premade.partners.call import GateCall
from premade.partners.keyring import GateCaller
from premade.redemption import manual
from premade.redemption.answers import inspect_answer, redeem_reply, sync_answer
from premade.redemption.gate import Gate
from premade.redemption.guard_proof import GuardProofs
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device
from premade.redemption.schemas import (
    GuardedSyncRequest,
    InspectAnswer,
    RedeemAnswer,
    RedeemRequest,
    ShownAtGate,
    SyncAnswer,
    entries_of,
    presentation_of,
    use_of,
)
from premade.runtime.clock import Runtime
from premade.runtime.errors import Forbidden
from premade.staff.role import Right
from premade.staff.session import Member, Sessions, form_token
from premade.texts.translation import Language, current_language, reading_in

GATE = f"{HOME}/gate"
SHELL = f"{GATE}/offline"
FORM_TOKEN_HEADER = "X-Form-Token"  # noqa: S105  (the name of a header)
PERMISSIONS = frozenset({"gate:redeem", manual.PERMISSION})
GATE_HEADERS = {
    **HEADERS,
    # For the scripts that run beside the page.
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; worker-src 'self'",
}
_NO_STORE = {"Cache-Control": "private, no-store"}
_FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
_TYPES = {
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "wasm": "application/wasm",
}
_DECODER = "decoder.mjs"
_DECODER_HEADERS = {
    **HEADERS,
    # A worker has the policy of its own script. Only this worker may compile WebAssembly, not the page.
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.replace(
        "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
    ),
}
_FILES = (
    "gate.css",
    "gate.mjs",
    "answer.mjs",
    "scanner.mjs",
    "reading.mjs",
    "keyboards.mjs",
    "sentences.mjs",
    "texts.mjs",
    "names.mjs",
    "verdict.mjs",
    "judge.mjs",
    "outbox.mjs",
    "store.mjs",
    "gate-store.mjs",
    "service.mjs",
    "admission.mjs",
    "ed25519.mjs",
    "camera.mjs",
    _DECODER,
    "verify-qr-token.mjs",
    "zxing-wasm/share.js",
    "zxing-wasm/reader/index.js",
    "zxing-wasm/reader/zxing_reader.wasm",
    "noble-ed25519/index.js",
)
_WORKER = "worker.js"

router = json_router("Console", RoleMissing, FormForeign)


class SessionOver(Forbidden):
    """The browser has no session, or its session has ended."""

    code = "SESSION_OVER"


@dataclass(frozen=True)
class StaffCall:
    """A request of the gate page. `gate` is a call with the operator's permissions and the member as the actor."""

    member: Member
    token: str
    gate: GateCall

    def in_mode(self, *, test: bool) -> GateCall:
        """Return this gate call, live or in test mode."""
        return replace(self.gate, caller=replace(self.gate.caller, is_test=test))

    def device(self, device_id: str, *, test: bool) -> Device:
        """Return this browser as a device, live or in test mode."""
        return Device(self.in_mode(test=test).caller, self.gate.request_id, device_id)


async def _admit(request: Request, _scopes: SecurityScopes) -> StaffCall:
    wired, state = request.app.state, request.scope["state"]
    is_write = request.method not in {"GET", "HEAD"}
    if is_write:
        require_own_page(request)
    token, sessions = session_token(request), wired.services[Sessions]
    member: Member | None = await sessions.find_member(token) if token else None
    if member is None:
        raise SessionOver
    if is_write and not _is_of_session(request, token):
        raise FormForeign("other_session")
    if not member.may(Right.USE_GATE):
        raise RoleMissing(member.name, member.role)
    caller = GateCaller(member.actor, partner_id=None, permissions=PERMISSIONS)
    gate = GateCall(caller, state["request_id"], wired.database, wired.services, request.scope)
    return StaffCall(member, token, gate)


def _is_of_session(request: Request, token: str) -> bool:
    tokens = header_values(request, FORM_TOKEN_HEADER)
    return len(tokens) == 1 and hmac.compare_digest(form_token(token).encode(), tokens[0].encode())


OfStaff = Annotated[StaffCall, Security(_admit)]
TestMode = Annotated[
    bool,
    Query(
        description="`true` for a device in test mode. It admits test tickets only, and its snapshot contains no others. "
        "Otherwise it admits live tickets only."
    ),
]
"""Query parameter `?test_mode=true` of every endpoint here that is about tickets."""


class GateSession(AnswerModel):
    """The session and the settings of the gate page."""

    form_token: str = Field(description=f"Value of the header {FORM_TOKEN_HEADER} of each write")
    name: str = Field(description="Name of the signed-in member of staff")
    guard: str = Field(description="Guard proof of this member. The page sends it with each offline scan")
    functions: list[str] = Field(description="Functions that a gate can redeem")
    function_names: dict[str, str] = Field(
        description="Name of each function that has one in the page's language"
    )
    list_hours_max: int = Field(description="Maximum age of a list; a guard must confirm an older one")
    phone_digits: int = Field(
        description="Number of last digits of the phone number that a manual entry needs"
    )
    now: Timestamp = Field(description="Time of the service's clock, because the device's clock may be wrong")


@router.get(f"{GATE}/session", include_in_schema=False, response_model=GateSession)
async def session(call: OfStaff) -> Reply:
    """Return the session and the settings of the page, in the language of the page."""
    rules = call.gate.use(GateRules)
    answer = GateSession(
        form_token=form_token(call.token),
        name=call.member.name,
        guard=await call.gate.use(GuardProofs).issue(call.member.staff_id),
        functions=await list_functions(call.gate.database),
        function_names=await function_names_in(call.gate.database, current_language().tag),
        list_hours_max=rules.list_hours_max,
        phone_digits=rules.phone_digits,
        now=call.gate.use(Runtime).now(),
    )
    return Reply(answer, _NO_STORE)


@router.post(f"{GATE}/redemptions", include_in_schema=False, response_model=RedeemAnswer)
async def redeem(call: OfStaff, body: RedeemRequest, test_mode: TestMode = False) -> Reply:  # noqa: FBT002
    """Answer like POST /api/gate/redemptions."""
    device = call.device(body.device_id, test=test_mode)
    return redeem_reply(await call.gate.use(Gate).redeem(device, presentation_of(body), use_of(body)))


@router.post(f"{GATE}/inspect", include_in_schema=False)
async def inspect(call: OfStaff, body: ShownAtGate, test_mode: TestMode = False) -> InspectAnswer:  # noqa: FBT002
    """Answer like POST /api/gate/inspect."""
    device = call.device(body.device_id, test=test_mode)
    return inspect_answer(await call.gate.use(Gate).inspect(device, presentation_of(body)))


@router.post(f"{GATE}/sync", include_in_schema=False)
async def sync(call: OfStaff, body: GuardedSyncRequest, test_mode: TestMode = False) -> SyncAnswer:  # noqa: FBT002
    """Answer like POST /api/gate/redemptions/sync; the actor of a scan is the member who scanned."""
    entries = entries_of(body)
    results = await call.gate.use(Gate).upload(call.device(body.device_id, test=test_mode), entries)
    return sync_answer(body.device_id, entries, results)


@router.get(f"{GATE}/snapshot", include_in_schema=False, response_model=None)
async def snapshot(
    call: OfStaff,
    since: Annotated[str | None, Query()] = None,
    # A page from before an update does not send it.
    device_id: Annotated[str | None, optional(name_of_device_or_scan), Query()] = None,
    test_mode: TestMode = False,  # noqa: FBT002
) -> Stream:
    """Answer like GET /api/gate/snapshot for a key of the operator."""
    return await snapshot_stream(call.in_mode(test=test_mode), since, device_id)


@dataclass(frozen=True)
class _GatePage:
    version: str


async def _gate(request: StaffRequest) -> Response:
    return _own_policy(
        request.page("gate/gate.html", _GatePage(version=_version(request.templates, current_language())))
    )


async def _offline(request: StaffRequest) -> Response:
    return _own_policy(_shell(request.templates, _version(request.templates, current_language())))


def routes(templates: Templates) -> list[BaseRoute]:
    """Return the routes of the page's files, and of the endpoints of its scripts."""

    async def worker(_: Request) -> Response:
        return _worker(_version(templates, current_language()))

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        content = files().get(name)
        if content is None:
            raise HTTPException(404)
        # During an update, a request for another version gets this one, which must then not be cached.
        kept = (
            _FOR_EVER
            if request.path_params["version"] == _version(templates, current_language())
            else _NO_STORE
        )
        headers = _DECODER_HEADERS if name == _DECODER else HEADERS
        return Response(content, media_type=_type_of(name), headers={**headers, **kept})

    return [
        *router.routes,
        PageRoute(f"{GATE}/{_WORKER}", with_error_pages(templates, worker)),
        PageRoute(
            f"{GATE}/files/{{version}}/{{name:path}}", with_error_pages(templates, file), is_public=True
        ),
    ]


def _own_policy(answer: Response) -> Response:
    answer.headers["Content-Security-Policy"] = GATE_HEADERS["Content-Security-Policy"]
    return answer


def _shell(templates: Templates, version: str) -> Response:
    """Return the page that a device stores. It names no member."""
    return templates.page("gate/gate.html", _GatePage(version=version))


@cache
def files() -> Mapping[str, bytes]:
    """Return the page's files by name. Only these are served."""
    folder = resources.files("premade.console.gate") / "static"
    return {name: folder.joinpath(name).read_bytes() for name in _FILES}


@cache
def _version(templates: Templates, language: Language) -> str:
    """Return a digest of the page in this language and all its files. A device stores the page in one language."""
    with reading_in(language):
        return _digest(templates)


def _digest(templates: Templates) -> str:
    digest = hashlib.sha256(bytes(_shell(templates, "").body))
    for content in (*files().values(), *(content for content, _ in assets().values())):
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()[:16]


def _worker(version: str) -> Response:
    """Return the service worker, which stores the page on the device, with the list of files to store."""
    paths = [f"{GATE}/files/{version}/{name}" for name in _FILES]
    kept = {
        "version": version,
        "page": GATE,
        "shell": SHELL,
        "files": paths,
        "assets": [f"{HOME}/assets/console.css", f"{HOME}/assets/icon.svg"],
    }
    script = resources.files("premade.console.gate") / "static" / _WORKER
    content = b"const KEPT = " + orjson.dumps(kept) + b";\n" + script.read_bytes()
    return Response(
        content, media_type=_type_of(_WORKER), headers={**GATE_HEADERS, "Service-Worker-Allowed": GATE}
    )


def _type_of(name: str) -> str:
    return _TYPES[name.rpartition(".")[2]]


PAGES = [
    Page(GATE, _gate, right=Right.USE_GATE),
    Page(SHELL, _offline, right=Right.USE_GATE),
]
