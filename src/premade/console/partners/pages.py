"""The list of partners, the page of one, and the operator's own keys."""

from dataclasses import dataclass
from datetime import datetime

from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.console.addresses import HOME
from premade.console.lists import ListAddress, Pager
from premade.console.routing import Page, StaffRequest
from premade.limits.partner_limits import PARTNER_LIMITS
from premade.partners.keyring import KEY_CACHE_SECONDS
from premade.partners.keys import keys_of
from premade.partners.keys_sql import KeyOfPartner
from premade.partners.limits import limits_of
from premade.partners.partner import page_of_partners, partner_of
from premade.partners.partner_sql import ListedPartner, PartnerRow
from premade.staff.role import Right
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _
from premade.values.operator_input import plain_number

PARTNERS = f"{HOME}/partners"
OPERATOR = f"{HOME}/operator-keys"
PARTNERS_A_PAGE = 25
SEARCH_CHARACTERS_MAX = 200
KEY_CACHE_SECONDS_SHOWN = f"{KEY_CACHE_SECONDS:g}"
"""Maximum number of seconds for which a revoked key still works, for texts."""
_DONE = {
    "added": lazy("Added. Create a key, so that they can begin."),
    "renamed": lazy("Renamed."),
    "limits": lazy("Saved. It applies to new reservations."),
    "own-limits": lazy("Saved. The limits apply within seconds."),
    "disabled": lazy(
        "Disabled. Its keys stop working within %(seconds)s seconds.", seconds=KEY_CACHE_SECONDS_SHOWN
    ),
    "enabled": lazy(
        "Enabled. Its keys work again within %(seconds)s seconds.", seconds=KEY_CACHE_SECONDS_SHOWN
    ),
    "key": lazy("The key is changed."),
    "revoked": lazy(
        "Revoked. The key stops working within %(seconds)s seconds.", seconds=KEY_CACHE_SECONDS_SHOWN
    ),
}


def number_of_path(request: StaffRequest, name: str) -> int:
    """Return a number of the path, or answer that there is no such page."""
    number = plain_number(request.path_param(name))
    if number is None:
        raise HTTPException(404)
    return number


@dataclass(frozen=True)
class _PartnersPage:
    partners: list[ListedPartner]
    searched: str
    search_characters_max: int
    pager: Pager


async def _partners(request: StaffRequest) -> Response:
    searched, cursor = request.query("find")[:SEARCH_CHARACTERS_MAX], request.query("cursor") or None
    partners, following = await page_of_partners(
        request.database, request.runtime, searched, PARTNERS_A_PAGE, cursor
    )
    return request.page(
        "partners/partners.html",
        _PartnersPage(
            partners=partners,
            searched=searched,
            search_characters_max=SEARCH_CHARACTERS_MAX,
            pager=ListAddress(PARTNERS, {"find": searched}).pager(request, following),
        ),
    )


@dataclass(frozen=True)
class _PartnerPage:
    partner: PartnerRow
    keys: "list[ShownKey]"
    own_limits: list[tuple[Text, int]]
    done: Text | None


async def _partner(request: StaffRequest) -> Response:
    partner = await partner_of(request.database, number_of_path(request, "partner_id"))
    own = await limits_of(request.database, partner.partner_id)
    return request.page(
        "partners/partner.html",
        _PartnerPage(
            partner=partner,
            keys=await keys_with_state(request, partner.partner_id),
            own_limits=[(PARTNER_LIMITS[name].label, value) for name, value in own.items()],
            done=_DONE.get(request.own_link_param("done")),
        ),
    )


@dataclass(frozen=True)
class _OperatorKeysPage:
    keys: "list[ShownKey]"
    done: Text | None


async def _operator(request: StaffRequest) -> Response:
    return request.page(
        "partners/operator_keys.html",
        _OperatorKeysPage(
            keys=await keys_with_state(request, None), done=_DONE.get(request.own_link_param("done"))
        ),
    )


@dataclass(frozen=True)
class ShownKey:
    """A key as a page shows it."""

    details: KeyOfPartner
    state: str
    """`working`, `expired` or `revoked`."""


async def keys_with_state(request: StaffRequest, partner_id: int | None) -> list[ShownKey]:
    """Return the keys of a partner, or of the operator, each with its state."""
    now = request.runtime.now()
    return [ShownKey(key, _state(key, now)) for key in await keys_of(request.database, partner_id)]


def _state(key: KeyOfPartner, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "working"


def last_used(request: StaffRequest, at: datetime | None) -> str:
    """Return when a key was last used, for people."""
    if at is None:
        return _("never used")
    return _("last used %(moment)s %(zone)s", moment=request.templates.minute(at), zone=request.runtime.zone)


PAGES = [
    Page(PARTNERS, _partners, right=Right.SEE_PARTNERS),
    Page(f"{PARTNERS}/{{partner_id}}", _partner, right=Right.SEE_PARTNERS),
    Page(OPERATOR, _operator, right=Right.SEE_PARTNERS),
]
