"""The `call` argument of an endpoint: the authenticated caller, and the services of the process."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import APIRouter, Security
from fastapi.security import APIKeyHeader, SecurityScopes
from starlette.requests import Request
from starlette.types import Scope

from premade.http.body import client_host, header_values
from premade.http.endpoint import json_router
from premade.limits.lease import RateLimited
from premade.limits.operation_class import OperationClass
from premade.limits.partner_limits import rate_limit_name
from premade.limits.rate_limits import RateLimits
from premade.partners.key_lookup import TooManyWrongKeys
from premade.partners.keyring import (
    ApiKeyInvalid,
    ApiKeyMissing,
    Caller,
    GateCaller,
    KeyNetworkRefused,
    Keyring,
    PartnerKeyNeeded,
    PermissionMissing,
)
from premade.partners.permission import PERMISSIONS
from premade.postgres.database import Database
from premade.runtime.slots import current_owner
from premade.runtime.starts import Starts

Service = TypeVar("Service")
Known = TypeVar("Known")

HEADER = APIKeyHeader(
    name="X-API-Key", scheme_name="ApiKeyAuth", auto_error=False, description="API key of a partner or a gate"
)
_READS = frozenset({"GET", "HEAD"})
_RATE_LIMITS = {operation_class: rate_limit_name(operation_class) for operation_class in OperationClass}


@dataclass(frozen=True)
class _Authenticated(Generic[Known]):
    """One authenticated request."""

    caller: Known
    request_id: str
    database: Database
    services: dict[type[Any], Any]
    scope: Scope

    def use(self, kind: type[Service]) -> Service:
        """Return the process's one service of this class."""
        return self.services[kind]


class Call(_Authenticated[Caller]):
    """One authenticated request of a partner."""


class GateCall(_Authenticated[GateCaller]):
    """One authenticated request of a gate, a partner's or the operator's."""


async def _admit(request: Request, required: SecurityScopes, _documented: str = Security(HEADER)) -> Call:
    wired, state, permission = request.app.state, request.scope["state"], required.scopes[0]
    keyring: Keyring = wired.services[Keyring]
    caller = await keyring.partner_for(_key(request), permission, client_host(request))
    state["partner_id"], state["key_id"] = caller.partner_id, caller.key_id
    current_owner.set(caller.partner_id)
    is_read = request.scope["method"] in _READS
    operation_class = OperationClass.READ if is_read else PERMISSIONS[permission].operation_class
    await _take_from_rate_limit(request, caller, operation_class)
    await wired.services[Starts].wait(caller.partner_id)
    return Call(caller, state["request_id"], wired.database, wired.services, request.scope)


async def _admit_gate(
    request: Request, required: SecurityScopes, _documented: str = Security(HEADER)
) -> GateCall:
    wired, state = request.app.state, request.scope["state"]
    keyring: Keyring = wired.services[Keyring]
    caller = await keyring.gate_for(_key(request), required.scopes[0], client_host(request))
    state["partner_id"], state["key_id"] = caller.partner_id, caller.key_id
    current_owner.set(caller.partner_id or "operator")
    await _take_from_rate_limit(request, caller, OperationClass.GATE)
    await wired.services[Starts].wait(caller.partner_id)
    return GateCall(caller, state["request_id"], wired.database, wired.services, request.scope)


async def _take_from_rate_limit(
    request: Request, caller: Caller | GateCaller, operation_class: OperationClass
) -> None:
    """Count the request, and add the headers of its rate limit to the response. Raises RateLimited."""
    limits: RateLimits = request.app.state.services[RateLimits]
    lease = limits.lease_of(
        caller.first_key_id or 0, operation_class, caller.limits.get(_RATE_LIMITS[operation_class])
    )
    if lease is None:
        return
    try:
        if not lease.take():
            await lease.wait_and_take()
    finally:
        request.scope["state"]["headers"] = lease.headers()


def _key(request: Request) -> str:
    """Return the key in the request. Raises ApiKeyMissing."""
    values = header_values(request, HEADER.model.name)
    if values and values[0]:
        return values[0]
    raise ApiKeyMissing("authorization" if header_values(request, "Authorization") else "missing")


def partner_router(tag: str) -> APIRouter:
    """Return a router for endpoints that need a partner's key."""
    return json_router(
        tag,
        ApiKeyMissing,
        ApiKeyInvalid,
        TooManyWrongKeys,
        RateLimited,
        PermissionMissing,
        KeyNetworkRefused,
        PartnerKeyNeeded,
    )


def partner_with(permission: str) -> Any:
    """Return the marker of an endpoint's `call` argument: it needs a partner's key with this permission."""
    return Security(_admit, scopes=[PERMISSIONS[permission].name])


def gate_router(tag: str) -> APIRouter:
    """Return a router for endpoints that need a gate's key, of a partner or the operator."""
    return json_router(
        tag,
        ApiKeyMissing,
        ApiKeyInvalid,
        TooManyWrongKeys,
        RateLimited,
        PermissionMissing,
        KeyNetworkRefused,
    )


def gate_with(permission: str) -> Any:
    """Return the marker of an endpoint's `call` argument: it needs a key with this permission, of a partner or the operator."""
    return Security(_admit_gate, scopes=[PERMISSIONS[permission].name])
