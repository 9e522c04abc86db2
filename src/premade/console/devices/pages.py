"""Gate devices: the list, and the approval and revocation of one."""

from dataclasses import dataclass
from typing import ClassVar, Self

from starlette.responses import Response

from premade.audit.actors import CONSOLE
from premade.console.actors import names_of_staff
from premade.console.addresses import HOME
from premade.console.change_flow import Confirmation, NoFields, Preview, Row, confirm_page
from premade.console.lists import ListAddress, Pager
from premade.console.partners.pages import number_of_path
from premade.console.rendering import STATE_NAMES
from premade.console.routing import Page, StaffRequest
from premade.devices.change import device_of, page_of_devices, set_state
from premade.devices.change_sql import DeviceRow
from premade.devices.registry import CACHE_SECONDS, DeviceState
from premade.staff.role import Right
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _

DEVICES = f"{HOME}/gate-devices"
DEVICES_A_PAGE = 50
SEARCH_CHARACTERS_MAX = 200
_SECONDS = f"{CACHE_SECONDS:g}"
_DONE = {
    "approved": lazy("Approved. The device works within %(seconds)s seconds.", seconds=_SECONDS),
    "revoked": lazy("Revoked. The device is refused within %(seconds)s seconds.", seconds=_SECONDS),
}


@dataclass(frozen=True)
class _DevicesPage:
    devices: list[DeviceRow]
    owners: dict[str, Text]
    """Names of the owners that the page shows."""
    staff: dict[str, str]
    searched: str
    search_characters_max: int
    pager: Pager
    done: Text | None


def _owner(device: DeviceRow) -> Text:
    if device.owner == CONSOLE:
        return _("Gate page of the console")
    key_id = device.owner.partition(":")[2]
    if device.partner is None:
        return _("Key %(key)s of the operator", key=key_id)
    return _("Key %(key)s of %(partner)s", key=key_id, partner=device.partner)


async def _devices(request: StaffRequest) -> Response:
    searched, cursor = request.query("find")[:SEARCH_CHARACTERS_MAX], request.query("cursor") or None
    devices, following = await page_of_devices(request.database, searched, DEVICES_A_PAGE, cursor)
    return request.page(
        "devices/devices.html",
        _DevicesPage(
            devices=devices,
            owners={device.owner: _owner(device) for device in devices},
            staff=await names_of_staff(
                request.database,
                {actor for device in devices for actor in (device.registered_by, device.last_used_by)},
            ),
            searched=searched,
            search_characters_max=SEARCH_CHARACTERS_MAX,
            pager=ListAddress(DEVICES, {"find": searched}).pager(request, following),
            done=_DONE.get(request.own_link_param("done")),
        ),
    )


class _ChangeOfState(Confirmation[NoFields]):
    form = NoFields
    cancel_address = DEVICES
    state: ClassVar[DeviceState]
    done: ClassVar[str]

    def __init__(self, request: StaffRequest, device: DeviceRow) -> None:
        super().__init__(request)
        self.device = device

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the device that the path names."""
        return cls(request, await device_of(request.database, number_of_path(request, "gate_device_id")))

    def rows(self) -> list[Row]:
        """Return the owner and the state of the device."""
        return [
            Row(_("Belongs to"), _owner(self.device)),
            Row(_("State"), STATE_NAMES[self.state], STATE_NAMES[self.device.state]),
        ]

    async def save(self, form: NoFields) -> str:  # noqa: ARG002  (it has no fields)
        """Change the state."""
        request = self.request
        await set_state(
            request.database,
            request.runtime,
            self.device.gate_device_id,
            self.state,
            actor=request.member.actor,
        )
        return f"{DEVICES}?done={self.done}"


class RevokeDevice(_ChangeOfState):
    """Revoke a device."""

    state = DeviceState.REVOKED
    done = "revoked"

    async def preview(self) -> Preview:
        """Return what ends."""
        return Preview(
            _("Revoke the device %(device)s?", device=self.device.device_id),
            "",
            self.rows(),
            notes=[
                _(
                    "Within %(seconds)s seconds, the device can neither redeem nor upload scans. The gate page on it deletes its list as soon as it is online.",
                    seconds=_SECONDS,
                ),
                _(
                    "A lost device also has an API key or a session. Revoke the key, or change the password, as well."
                ),
                _(
                    "Scans that it has not uploaded stay on the device. It can upload them if you approve it again."
                ),
            ],
            save_label=_("Revoke"),
            is_dangerous=True,
        )


class ApproveDevice(_ChangeOfState):
    """Approve a device."""

    state = DeviceState.APPROVED
    done = "approved"

    async def preview(self) -> Preview:
        """Return what begins."""
        return Preview(
            _("Approve the device %(device)s?", device=self.device.device_id),
            "",
            self.rows(),
            notes=[
                _(
                    "Within %(seconds)s seconds, the device can redeem tickets and upload scans.",
                    seconds=_SECONDS,
                )
            ],
            save_label=_("Approve"),
        )


_DEVICE = f"{DEVICES}/{{gate_device_id}}"
PAGES = [
    Page(DEVICES, _devices, right=Right.MANAGE_DEVICES),
    confirm_page(f"{_DEVICE}/revoke", RevokeDevice, Right.MANAGE_DEVICES),
    confirm_page(f"{_DEVICE}/approve", ApproveDevice, Right.MANAGE_DEVICES),
]
