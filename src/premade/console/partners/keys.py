"""API keys of partners and of the operator. A key is shown once, in the answer to its form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import Field
from starlette.responses import Response

from premade.console.addresses import HOME, go_to
from premade.console.change_flow import Confirmation, Edit, NoFields, Preview, Row, confirm_page, edit_page
from premade.console.forms import Form, FormView, Input, by_field, is_checked, or_none
from premade.console.partners.pages import (
    KEY_CACHE_SECONDS_SHOWN,
    OPERATOR,
    PARTNERS,
    last_used,
    number_of_path,
)
from premade.console.routing import Page, StaffRequest
from premade.partners.key_networks import checked_networks
from premade.partners.keys import (
    LABEL_CHARACTERS_MAX,
    CreatedKey,
    Successor,
    change_key,
    checked_label,
    create_key,
    key_of,
    revoke_key,
    rotate_key,
)
from premade.partners.keys_sql import KeyDetails
from premade.partners.partner import partner_of
from premade.partners.partner_sql import PartnerRow
from premade.partners.permission import GATE_PERMISSIONS, PERMISSIONS, PRESETS, Permission
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.texts.fields import field_text
from premade.texts.translation import Text, lazy, translate
from premade.texts.translation import gettext as _
from premade.values.operator_input import duration, moment

KEYS = f"{HOME}/keys"
OVERLAP_DEFAULT = "24h"


def _networks(text: str) -> list[str]:
    return checked_networks(text.replace(",", " ").split())


Label = Annotated[
    str,
    Input(lazy("Label"), checked_label, lazy("What the key is for."), maxlength=LABEL_CHARACTERS_MAX),
]
Networks = Annotated[
    list[str],
    Input(
        lazy("Allowed networks"),
        _networks,
        lazy(
            "Addresses and networks, such as 203.0.113.0/24, one a line. Empty: the key works from everywhere."
        ),
        kind="textarea",
        rows=3,
        spellcheck=False,
    ),
]


class KeyForm(Form):
    """A new key, beside its permissions."""

    label: Label
    networks: Networks = Field(alias="network")

    is_test: Annotated[
        bool,
        Input(
            lazy("For trying out gates"),
            is_checked,
            lazy("A gate with this key admits test tickets only. It refuses every ticket that was sold."),
            kind="checkbox",
            autocomplete=None,
        ),
    ] = Field(alias="test")
    expires: Annotated[
        str | None,
        Input(lazy("Last day of validity"), or_none(str), kind="date"),
    ]


class RotationForm(Form):
    """Time for which the old key works beside the new one."""

    overlap: Annotated[
        timedelta,
        Input(
            lazy("Time for which both keys work"),
            lambda text: duration(text, "overlap"),
            lazy("Such as 30m, 24h or 7d; 0s ends the old key at once."),
            required=True,
            maxlength=8,
            autocapitalize="none",
            spellcheck=False,
        ),
    ]


async def _owner(request: StaffRequest) -> PartnerRow | None:
    """Return the partner that the path names; None for the operator."""
    if "partner_id" not in request.http.path_params:
        return None
    return await partner_of(request.database, number_of_path(request, "partner_id"))


def _home(partner_id: int | None) -> str:
    return OPERATOR if partner_id is None else f"{PARTNERS}/{partner_id}"


def _permissions(partner: PartnerRow | None) -> dict[str, Permission]:
    return PERMISSIONS if partner else GATE_PERMISSIONS


async def _new_key(request: StaffRequest) -> Response:
    partner = await _owner(request)
    preset = PRESETS.get(request.query("preset"))
    chosen = dict.fromkeys(preset.permissions, "yes") if preset else {}
    return _key_form(request, partner, request.new_nonce(), chosen, {})


@dataclass(frozen=True)
class _NewKeyPage:
    partner: PartnerRow | None
    permissions: dict[str, str]
    chosen: Sequence[str]
    presets: Mapping[str, Text]
    """Labels by name, of those with permissions that the key can have."""
    form: FormView
    nonce: str
    cancel_address: str


def _key_form(
    request: StaffRequest,
    partner: PartnerRow | None,
    nonce: str,
    typed: Mapping[str, str],
    wrong: Mapping[str, str],
) -> Response:
    chosen: Sequence[str] = [name for name in _permissions(partner) if name in typed]
    return request.page(
        "partners/key_new.html",
        _NewKeyPage(
            partner=partner,
            permissions={
                name: translate(permission.label) for name, permission in _permissions(partner).items()
            },
            chosen=chosen,
            presets={
                name: translate(preset.label)
                for name, preset in PRESETS.items()
                if preset.permissions <= _permissions(partner).keys()
            },
            form=KeyForm.view(
                typed,
                wrong,
                hints={
                    "expires": _(
                        "Empty: it works until it is revoked. Days end in %(zone)s.",
                        zone=request.runtime.zone,
                    )
                },
            ),
            nonce=nonce,
            cancel_address=_home(partner.partner_id if partner else None),
        ),
        400 if wrong else 200,
    )


@dataclass(frozen=True)
class _CreatedKeyPage:
    partner: PartnerRow | None
    key: CreatedKey | Successor
    rotated: KeyDetails | None
    service: str
    """Address of the service, for the partner's developer."""


def _service(request: StaffRequest) -> str:
    return str(request.http.base_url).rstrip("/")


async def _new_key_sent(request: StaffRequest) -> Response:
    partner, nonce = await _owner(request), request.nonce()
    chosen = [name for name in _permissions(partner) if name in request.form]
    try:
        expires_at = _end(request, request.field("expires"))
        form = KeyForm.parse(request.form)
        if not chosen:
            raise Invalid([FieldError("permission", field_text("console.choose_permission"))])  # noqa: TRY301
        key = await create_key(
            request.database,
            request.runtime,
            partner=partner.name if partner else None,
            permissions=chosen,
            # Only the operator's own keys have the choice.
            is_test=partner is None and "test" in request.form,
            expires_at=expires_at,
            label=form.label,
            networks=form.networks,
            once=f"{request.member.actor}:{nonce}",
            actor=request.member.actor,
        )
    except Invalid as error:
        return _key_form(request, partner, nonce, request.form, by_field(error.errors))
    return request.page("partners/key_created.html", _CreatedKeyPage(partner, key, None, _service(request)))


def _end(request: StaffRequest, expires: str) -> datetime | None:
    """Return the end of the day that was typed."""
    return moment(expires, "expires", request.runtime.now(), request.runtime.zone) if expires else None


async def _rotate(request: StaffRequest) -> Response:
    return await _rotate_form(request, {"overlap": OVERLAP_DEFAULT}, {})


@dataclass(frozen=True)
class _RotateKeyPage:
    key: KeyDetails
    form: FormView
    cancel_address: str


async def _rotate_form(request: StaffRequest, typed: Mapping[str, str], wrong: Mapping[str, str]) -> Response:
    key = await key_of(request.database, number_of_path(request, "key_id"))
    return request.page(
        "partners/key_rotate.html",
        _RotateKeyPage(key=key, form=RotationForm.view(typed, wrong), cancel_address=_home(key.partner_id)),
        400 if wrong else 200,
    )


async def _rotate_sent(request: StaffRequest) -> Response:
    key = await key_of(request.database, number_of_path(request, "key_id"))
    try:
        form = RotationForm.parse(request.form)
        new = await rotate_key(
            request.database, request.runtime, key.key_id, form.overlap, actor=request.member.actor
        )
    except Invalid as error:
        return await _rotate_form(request, request.form, by_field(error.errors))
    partner = await partner_of(request.database, key.partner_id) if key.partner_id else None
    return request.page("partners/key_created.html", _CreatedKeyPage(partner, new, key, _service(request)))


class RevokeKey(Confirmation[NoFields]):
    """Revoke a key."""

    form = NoFields

    def __init__(self, request: StaffRequest, key: KeyDetails) -> None:
        super().__init__(request)
        self.key = key
        self.cancel_address = _home(key.partner_id)

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the key that the path names."""
        return cls(request, await key_of(request.database, number_of_path(request, "key_id")))

    async def preview(self) -> Preview:
        """Return the permissions that end with the key."""
        key = self.key
        advice = (
            _("To change over without a gap, wait until its successor is in use.")
            if key.has_successor
            else _("To change over without a gap, rotate the key instead.")
        )
        mode = "test" if key.is_test else "live"
        return Preview(
            _("Revoke key %(key)s of %(partner)s?", key=key.key_id, partner=key.partner)
            if key.partner
            else _("Revoke key %(key)s of the operator?", key=key.key_id),
            f"pm_{mode}_{key.prefix}_…, {last_used(self.request, key.last_used_at)}.",
            [Row(_("Permissions"), ", ".join(key.permissions))],
            notes=[
                _(
                    "Within %(seconds)s seconds, requests with this key are refused. This cannot be undone.",
                    seconds=KEY_CACHE_SECONDS_SHOWN,
                ),
                advice,
            ],
            save_label=_("Revoke"),
            is_dangerous=True,
        )

    async def save(self, form: NoFields) -> str:  # noqa: ARG002  (it has no fields)
        """Revoke it."""
        await revoke_key(
            self.request.database, self.request.runtime, self.key.key_id, actor=self.request.member.actor
        )
        return f"{self.cancel_address}?done=revoked"


class KeyChangeForm(Form):
    """Label and networks of a key."""

    label: Label
    networks: Networks = Field(alias="network")


class ChangeKey(Edit[KeyChangeForm]):
    """Change the label and the networks of a key."""

    form = KeyChangeForm
    title = lazy("Change a key")
    focus = "label"

    def __init__(self, request: StaffRequest, key: KeyDetails) -> None:
        super().__init__(request)
        self.key = key
        self.subject = f"pm_{'test' if key.is_test else 'live'}_{key.prefix}_…"
        self.cancel_address = _home(key.partner_id)

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the key that the path names."""
        return cls(request, await key_of(request.database, number_of_path(request, "key_id")))

    async def initial(self) -> dict[str, str]:
        """Return the current label and networks."""
        return {"label": self.key.label, "network": "\n".join(self.key.networks)}

    async def preview(self, form: KeyChangeForm) -> Preview:
        """Return what changes."""
        everywhere = _("everywhere")
        rows = [
            Row(_("Label"), form.label, self.key.label),
            Row(
                _("Allowed networks"),
                ", ".join(form.networks) or everywhere,
                ", ".join(self.key.networks) or everywhere,
            ),
        ]
        return Preview(
            _("Change the key?"),
            self.subject,
            [row for row in rows if row.before != row.after],
            notes=[
                _(
                    "Within %(seconds)s seconds, requests from other addresses are refused.",
                    seconds=KEY_CACHE_SECONDS_SHOWN,
                )
            ]
            if form.networks
            else [],
        )

    async def save(self, form: KeyChangeForm) -> str:
        """Save it."""
        request = self.request
        await change_key(
            request.database,
            request.runtime,
            self.key.key_id,
            label=form.label,
            networks=form.networks,
            actor=request.member.actor,
        )
        return f"{self.cancel_address}?done=key"


_KEY = f"{KEYS}/{{key_id}}"
_REVOKE = confirm_page(f"{_KEY}/revoke", RevokeKey, Right.MANAGE_PARTNERS)


async def _revoke(request: StaffRequest) -> Response:
    key = await key_of(request.database, number_of_path(request, "key_id"))
    if key.revoked_at is not None:
        return go_to(f"{_home(key.partner_id)}?done=revoked")
    assert _REVOKE.show is not None
    return await _REVOKE.show(request)


PAGES = [
    Page(f"{PARTNERS}/{{partner_id}}/keys/new", _new_key, _new_key_sent, Right.MANAGE_PARTNERS),
    Page(f"{OPERATOR}/new", _new_key, _new_key_sent, Right.MANAGE_PARTNERS),
    edit_page(f"{_KEY}/change", ChangeKey, Right.MANAGE_PARTNERS),
    Page(f"{_KEY}/rotate", _rotate, _rotate_sent, Right.MANAGE_PARTNERS),
    Page(_REVOKE.path, _revoke, _REVOKE.send, Right.MANAGE_PARTNERS),
]
