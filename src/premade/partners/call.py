"""What an endpoint is given for one request: who asks, and what the answer may use."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, SecurityScopes
from starlette.requests import Request
from starlette.types import Scope

from premade.http.body import client_address, header_values
from premade.http.endpoint import json_router
from premade.partners.key_lookup import TooManyWrongKeys
from premade.partners.keyring import (
    ApiKeyInvalid,
    ApiKeyMissing,
    Caller,
    GateCaller,
    Keyring,
    PartnerKeyNeeded,
    PermissionMissing,
)
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database

Service = TypeVar("Service")
Known = TypeVar("Known")

HEADER = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKeyAuth", auto_error=False, description="API key of a partner or a gate"
)


@dataclass(frozen=True)
class _Asked(Generic[Known]):
    """One authenticated request, by whoever the key says."""

    caller: Known
    request_id: str
    database: Database
    services: dict[type[Any], Any]
    scope: Scope

    def use(self, kind: type[Service]) -> Service:
        """What the process keeps one of, as the application wired it."""
        return self.services[kind]


class Call(_Asked[Caller]):
    """One authenticated request of a partner."""


class GateCall(_Asked[GateCaller]):
    """One authenticated request of a gate, a partner's or the operator's."""


async def _admit(request: Request, wanted: SecurityScopes, _documented: str = Security(HEADER)) -> Call:
    wired, state = request.app.state, request.scope["state"]
    keyring: Keyring = wired.services[Keyring]
    caller = await keyring.partner_for(_key(request), wanted.scopes[0], client_address(request))
    state["partner_id"], state["key_id"] = caller.partner_id, caller.key_id
    return Call(caller, state["request_id"], wired.database, wired.services, request.scope)


async def _admit_gate(
    request: Request, wanted: SecurityScopes, _documented: str = Security(HEADER)
) -> GateCall:
    wired, state = request.app.state, request.scope["state"]
    keyring: Keyring = wired.services[Keyring]
    caller = await keyring.gate_for(_key(request), wanted.scopes[0], client_address(request))
    state["partner_id"], state["key_id"] = caller.partner_id, caller.key_id
    return GateCall(caller, state["request_id"], wired.database, wired.services, request.scope)


def _key(request: Request) -> str:
    """Return the key that was sent. Raises ApiKeyMissing."""
    given = header_values(request, HEADER.model.name)
    if given and given[0]:
        return given[0]
    raise ApiKeyMissing("authorization" if header_values(request, "Authorization") else "missing")


def partner_router(tag: str) -> APIRouter:
    """A router for endpoints that a partner's key opens."""
    return json_router(
        tag, ApiKeyMissing, ApiKeyInvalid, TooManyWrongKeys, PermissionMissing, PartnerKeyNeeded
    )


def partner_with(permission: str) -> Any:
    """Marks an endpoint's `call` argument: a partner's key with this permission."""
    return Security(_admit, scopes=[PERMISSIONS[permission].name])


def gate_router(tag: str) -> APIRouter:
    """A router for endpoints that a gate's key opens, a partner's or the operator's."""
    return json_router(tag, ApiKeyMissing, ApiKeyInvalid, TooManyWrongKeys, PermissionMissing)


def gate_with(permission: str) -> Any:
    """Marks an endpoint's `call` argument: a key with this permission, a partner's or the operator's."""
    return Security(_admit_gate, scopes=[PERMISSIONS[permission].name])
