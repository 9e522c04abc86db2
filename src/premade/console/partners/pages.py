"""Partners: what they may, their keys, and the operator's own keys. A key is shown once, in the answer to its form."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.console.addresses import HOME, go_to
from premade.console.forms import by_field
from premade.console.routing import Page, StaffRequest
from premade.partners.api_key import GATE_PERMISSIONS, PERMISSIONS
from premade.partners.keyring import KEY_CACHE_SECONDS
from premade.partners.keys import (
    create_key,
    key_of,
    keys_of,
    revoke_key,
    rotate_key,
)
from premade.partners.partner import (
    LIVE_CHANNEL,
    RESERVATION_HOURS_DEFAULT,
    RESERVATION_HOURS_MAX,
    ChannelIsOtherKind,
    PartnerNameTaken,
    add_partner,
    page_of_partners,
    partner_of,
    set_disabled,
    set_reservation_hours,
)
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.values.operator_input import duration, moment, plain_number, whole_number

PARTNERS = f"{HOME}/partners"
OPERATOR = f"{HOME}/operator-keys"
KEYS = f"{HOME}/keys"
PARTNERS_A_PAGE = 25
SOUGHT_CHARACTERS_MAX = 200
OVERLAP_DEFAULT = "24h"
_DONE = {
    "added": "Added. Make a key, so that they can begin.",
    "limits": "Saved. It counts for what they hold from now on.",
    "disabled": f"Disabled. Its keys cease to work within {KEY_CACHE_SECONDS:g} seconds.",
    "enabled": f"Enabled. Its keys work again within {KEY_CACHE_SECONDS:g} seconds.",
    "revoked": f"Revoked. The key ceases to work within {KEY_CACHE_SECONDS:g} seconds.",
}
PERMISSION_NAMES = {
    "tickets:bulk-generate": "generate batches",
    "tickets:activate": "activate tickets, draw from batches, make orders",
    "tickets:read": "see its tickets and batches",
    "tickets:cancel": "cancel and reissue tickets",
    "inventory:read": "see products and stock",
    "inventory:reserve": "hold stock",
    "orders:read": "see its orders, with the customers' details",
    "gate:redeem": "redeem at a gate, also without network",
    "gate:manual-entry": "type in a ticket code at a gate",
}


def _id(request: StaffRequest, name: str) -> int:
    given = plain_number(request.path_param(name))
    if given is None:
        raise HTTPException(404)
    return given


async def _partners(request: StaffRequest) -> Response:
    sought, cursor = request.query("find")[:SOUGHT_CHARACTERS_MAX], request.query("cursor") or None
    partners, following = await page_of_partners(
        request.database, request.runtime, sought, PARTNERS_A_PAGE, cursor
    )
    return request.page(
        "partners/partners.html",
        partners=partners,
        sought=sought,
        sought_characters_max=SOUGHT_CHARACTERS_MAX,
        is_first=cursor is None,
        first_page=f"{PARTNERS}?{urlencode({'find': sought})}" if sought else PARTNERS,
        next_page=following and f"{PARTNERS}?{urlencode({'find': sought, 'cursor': following})}",
    )


async def _new(request: StaffRequest) -> Response:
    typed = {"name": "", "channel": "", "reservation-hours": str(RESERVATION_HOURS_DEFAULT), "test": ""}
    return _new_form(request, typed, {}, 200)


def _new_form(request: StaffRequest, typed: dict[str, str], wrong: dict[str, str], status: int) -> Response:
    return request.page(
        "partners/partner_new.html",
        status,
        typed=typed,
        wrong=wrong,
        hours_max=RESERVATION_HOURS_MAX,
        live_channel=LIVE_CHANNEL,
    )


async def _new_sent(request: StaffRequest) -> Response:
    typed = {field: request.form.get(field, "") for field in ("name", "channel", "reservation-hours", "test")}
    try:
        added = await add_partner(
            request.database,
            request.runtime,
            typed["name"],
            channel=typed["channel"] or None,
            is_test=bool(typed["test"]),
            reservation_hours_max=whole_number(typed["reservation-hours"], "reservation-hours"),
            actor=request.member.actor,
        )
    except Invalid as error:
        return _new_form(request, typed, by_field(error.errors), 400)
    except PartnerNameTaken as error:
        return _new_form(request, typed, {"name": error.detail}, 409)
    except ChannelIsOtherKind as error:
        return _new_form(request, typed, {"channel": error.detail}, 409)
    return go_to(f"{PARTNERS}/{added['partner_id']}?done=added")


async def _partner(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, _id(request, "partner_id"))
    return request.page(
        "partners/partner.html",
        partner=partner,
        keys=await _keys(request, partner["partner_id"]),
        permission_names=PERMISSION_NAMES,
        done=_DONE.get(request.own_link_param("done")),
    )


async def _operator(request: StaffRequest) -> Response:
    return request.page(
        "partners/operator_keys.html",
        keys=await _keys(request, None),
        permission_names=PERMISSION_NAMES,
        done=_DONE.get(request.own_link_param("done")),
    )


async def _keys(request: StaffRequest, partner_id: int | None) -> list[dict[str, Any]]:
    now = request.runtime.now()
    return [{**key, "state": _state(key, now)} for key in await keys_of(request.database, partner_id)]


def _state(key: dict[str, Any], now: datetime) -> str:
    if key["revoked_at"] is not None:
        return "revoked"
    return "expired" if key["expires_at"] is not None and key["expires_at"] <= now else "working"


async def _limits(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, _id(request, "partner_id"))
    return _limits_form(request, partner, str(partner["reservation_hours_max"]), {})


def _limits_form(
    request: StaffRequest, partner: dict[str, Any], typed: str, wrong: dict[str, str]
) -> Response:
    return request.page(
        "partners/partner_limits.html",
        400 if wrong else 200,
        partner=partner,
        typed={"reservation-hours": typed},
        wrong=wrong,
        hours_max=RESERVATION_HOURS_MAX,
    )


async def _limits_sent(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, _id(request, "partner_id"))
    typed = request.form.get("reservation-hours", "")
    try:
        hours = whole_number(typed, "reservation-hours")
        await set_reservation_hours(
            request.database, request.runtime, partner["name"], hours, actor=request.member.actor
        )
    except Invalid as error:
        return _limits_form(request, partner, typed, by_field(error.errors))
    return go_to(f"{PARTNERS}/{partner['partner_id']}?done=limits")


async def _disable(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, _id(request, "partner_id"))
    keys = await _keys(request, partner["partner_id"])
    return request.page(
        "partners/partner_disable.html",
        partner=partner,
        keys=[key for key in keys if key["state"] == "working"],
        seconds_max=f"{KEY_CACHE_SECONDS:g}",
    )


async def _disable_sent(request: StaffRequest) -> Response:
    return await _set_disabled(request, disabled=True)


async def _enable_sent(request: StaffRequest) -> Response:
    return await _set_disabled(request, disabled=False)


async def _set_disabled(request: StaffRequest, *, disabled: bool) -> Response:
    partner = await partner_of(request.database, _id(request, "partner_id"))
    # A form that is sent again changes nothing, and leaves no second event.
    if (partner["disabled_at"] is not None) != disabled:
        await set_disabled(
            request.database, request.runtime, partner["name"], disabled=disabled, actor=request.member.actor
        )
    done = "disabled" if disabled else "enabled"
    return go_to(f"{PARTNERS}/{partner['partner_id']}?done={done}")


async def _whose(request: StaffRequest) -> dict[str, Any] | None:
    """The partner that the path names; None for the operator."""
    if "partner_id" not in request.http.path_params:
        return None
    return await partner_of(request.database, _id(request, "partner_id"))


def _permissions(partner: dict[str, Any] | None) -> tuple[str, ...]:
    return PERMISSIONS if partner else GATE_PERMISSIONS


@dataclass(frozen=True)
class _Typed:
    """The fields of the form for a new key. `is_test`: only the operator's own keys have the choice."""

    chosen: frozenset[str] = frozenset()
    expires: str = ""
    is_test: bool = False


async def _new_key(request: StaffRequest) -> Response:
    partner = await _whose(request)
    return _key_form(request, partner, request.new_nonce(), _Typed(), {})


def _key_form(
    request: StaffRequest,
    partner: dict[str, Any] | None,
    once: str,
    typed: _Typed,
    wrong: dict[str, str],
) -> Response:
    return request.page(
        "partners/key_new.html",
        400 if wrong else 200,
        partner=partner,
        permissions={name: PERMISSION_NAMES[name] for name in _permissions(partner)},
        chosen=typed.chosen,
        is_test=typed.is_test,
        typed={"expires": typed.expires},
        once=once,
        wrong=wrong,
    )


async def _new_key_sent(request: StaffRequest) -> Response:
    partner, once = await _whose(request), request.nonce()
    chosen = [name for name in _permissions(partner) if name in request.form]
    typed = _Typed(frozenset(chosen), request.field("expires"), partner is None and "test" in request.form)
    try:
        expires_at = _end(request, typed.expires)
        if not chosen:
            raise Invalid([FieldError("permission", "Choose at least one")])  # noqa: TRY301
        made = await create_key(
            request.database,
            request.runtime,
            partner=partner["name"] if partner else None,
            permissions=chosen,
            is_test=typed.is_test,
            expires_at=expires_at,
            once=f"{request.member.actor}:{once}",
            actor=request.member.actor,
        )
    except Invalid as error:
        return _key_form(request, partner, once, typed, by_field(error.errors))
    return request.page(
        "partners/key_made.html", partner=partner, made=made, permission_names=PERMISSION_NAMES, rotated=None
    )


def _end(request: StaffRequest, expires: str) -> datetime | None:
    """The end of the day that was typed."""
    return moment(expires, "expires", request.runtime.now(), request.runtime.zone) if expires else None


async def _rotate(request: StaffRequest) -> Response:
    return await _rotate_form(request, OVERLAP_DEFAULT, {}, 200)


async def _rotate_form(request: StaffRequest, overlap: str, wrong: dict[str, str], status: int) -> Response:
    key = await key_of(request.database, _id(request, "key_id"))
    return request.page("partners/key_rotate.html", status, key=key, typed={"overlap": overlap}, wrong=wrong)


async def _rotate_sent(request: StaffRequest) -> Response:
    overlap = request.field("overlap")
    key = await key_of(request.database, _id(request, "key_id"))
    try:
        length = duration(overlap, "overlap")
        made = await rotate_key(
            request.database, request.runtime, key["key_id"], length, actor=request.member.actor
        )
    except Invalid as error:
        return await _rotate_form(request, overlap, by_field(error.errors), 400)
    partner = await partner_of(request.database, key["partner_id"]) if key["partner_id"] else None
    return request.page(
        "partners/key_made.html", partner=partner, made=made, permission_names=PERMISSION_NAMES, rotated=key
    )


async def _revoke(request: StaffRequest) -> Response:
    key = await key_of(request.database, _id(request, "key_id"))
    if key["revoked_at"] is not None:
        return go_to(f"{_home_of(key)}?done=revoked")
    return request.page("partners/key_revoke.html", key=key, seconds_max=f"{KEY_CACHE_SECONDS:g}")


async def _revoke_sent(request: StaffRequest) -> Response:
    key = await key_of(request.database, _id(request, "key_id"))
    await revoke_key(request.database, request.runtime, key["key_id"], actor=request.member.actor)
    return go_to(f"{_home_of(key)}?done=revoked")


def _home_of(key: dict[str, Any]) -> str:
    return OPERATOR if key["partner_id"] is None else f"{PARTNERS}/{key['partner_id']}"


_PARTNER, _KEY = f"{PARTNERS}/{{partner_id}}", f"{KEYS}/{{key_id}}"
PAGES = [
    Page(PARTNERS, _partners, right=Right.SEE_PARTNERS),
    Page(f"{PARTNERS}/new", _new, _new_sent, Right.MANAGE_PARTNERS),
    Page(_PARTNER, _partner, right=Right.SEE_PARTNERS),
    Page(f"{_PARTNER}/limits", _limits, _limits_sent, Right.MANAGE_PARTNERS),
    Page(f"{_PARTNER}/disable", _disable, _disable_sent, Right.MANAGE_PARTNERS),
    Page(f"{_PARTNER}/enable", send=_enable_sent, right=Right.MANAGE_PARTNERS),
    Page(f"{_PARTNER}/keys/new", _new_key, _new_key_sent, Right.MANAGE_PARTNERS),
    Page(OPERATOR, _operator, right=Right.SEE_PARTNERS),
    Page(f"{OPERATOR}/new", _new_key, _new_key_sent, Right.MANAGE_PARTNERS),
    Page(f"{_KEY}/rotate", _rotate, _rotate_sent, Right.MANAGE_PARTNERS),
    Page(f"{_KEY}/revoke", _revoke, _revoke_sent, Right.MANAGE_PARTNERS),
]
