"""Staff: the list of members, adding a member, and changing the role, password or access of one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from premade.console.addresses import HOME, go_to
from premade.console.forms import FormView, by_field
from premade.console.routing import Page, StaffRequest
from premade.console.staff.forms import ROLE_DESCRIPTIONS, ROLES, MemberForm, PasswordForm, RoleForm
from premade.runtime.errors import Conflict, Invalid
from premade.staff.member import (
    StaffNameTaken,
    add_staff,
    list_staff,
    set_disabled,
    set_password,
    set_role,
    staff_named,
)
from premade.staff.member_sql import StaffRow
from premade.staff.role import Right, Role
from premade.staff.second_factor import reset_second_factor
from premade.texts.translation import Text, lazy

STAFF = f"{HOME}/staff"
_DONE = {
    "added": lazy("Added. They can sign in now."),
    "role": lazy("The role is changed, from the next page on."),
    "password": lazy("The new password is set, and they are signed out everywhere."),
    "second-factor": lazy("The second factor is removed, and they are signed out everywhere."),
    "disabled": lazy("Disabled: they are signed out everywhere and cannot sign in."),
    "enabled": lazy("Enabled: they can sign in again."),
}


class OwnAccount(Conflict):
    """Admins cannot change their own role or access."""

    code = "OWN_ACCOUNT"


async def _staff(request: StaffRequest) -> Response:
    return await _list(request, 200, {}, {})


@dataclass(frozen=True)
class _StaffPage:
    staff: list[StaffRow]
    form: FormView
    roles: list[tuple[Text, Text]]
    """Label and description."""


async def _list(request: StaffRequest, status: int, wrong: dict[str, str], typed: dict[str, str]) -> Response:
    return request.page(
        "staff/staff.html",
        _StaffPage(
            staff=await list_staff(request.database),
            form=MemberForm.view({"role": Role.OPERATIONS, **typed}, wrong, options={"role": ROLES}),
            roles=[(ROLES[role], ROLE_DESCRIPTIONS[role]) for role in Role],
        ),
        status,
    )


async def _add(request: StaffRequest) -> Response:
    form = MemberForm.parse(request.form)
    typed = {"name": form.name, "role": form.role}
    try:
        added = await add_staff(
            request.database,
            request.runtime,
            form.name,
            form.role,
            form.password,
            actor=request.member.actor,
        )
    except Invalid as error:
        return await _list(request, 400, by_field(error.errors), typed)
    except StaffNameTaken as error:
        return await _list(request, 409, {"name": error.detail}, typed)
    return go_to(f"{STAFF}/{added.name}?done=added")


async def _member(request: StaffRequest) -> Response:
    return await _show(request, 200, {})


@dataclass(frozen=True)
class _MemberPage:
    staff_member: StaffRow
    is_self: bool
    role_form: FormView
    password_form: FormView
    done: Text | None


async def _show(request: StaffRequest, status: int, wrong: dict[str, str]) -> Response:
    staff_member = await staff_named(request.database, request.path_param("name"))
    return request.page(
        "staff/staff_member.html",
        _MemberPage(
            staff_member=staff_member,
            is_self=staff_member.staff_id == request.member.staff_id,
            role_form=RoleForm.view({"role": staff_member.role}, wrong, options={"role": ROLES}),
            password_form=PasswordForm.view({}, wrong),
            done=_DONE.get(request.own_link_param("done")) if not wrong else None,
        ),
        status,
    )


def _changer(
    done: str, change: Callable[[StaffRequest, str], Awaitable[object]]
) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def act(request: StaffRequest) -> Response:
        staff_member = await staff_named(request.database, request.path_param("name"))
        if done != "password" and staff_member.staff_id == request.member.staff_id:
            raise OwnAccount
        try:
            await change(request, staff_member.name)
        except Invalid as error:
            return await _show(request, 400, by_field(error.errors))
        return go_to(f"{STAFF}/{staff_member.name}?done={done}")

    return act


async def _role(request: StaffRequest, name: str) -> None:
    role = RoleForm.parse(request.form).role
    await set_role(request.database, request.runtime, name, role, actor=request.member.actor)


async def _password(request: StaffRequest, name: str) -> None:
    password = PasswordForm.parse(request.form).password
    await set_password(request.database, request.runtime, name, password, actor=request.member.actor)


async def _disable(request: StaffRequest, name: str) -> None:
    await set_disabled(request.database, request.runtime, name, disabled=True, actor=request.member.actor)


async def _enable(request: StaffRequest, name: str) -> None:
    await set_disabled(request.database, request.runtime, name, disabled=False, actor=request.member.actor)


async def _reset_second_factor(request: StaffRequest, name: str) -> None:
    await reset_second_factor(request.database, request.runtime, name, actor=request.member.actor)


_MEMBER = f"{STAFF}/{{name}}"
PAGES = [
    Page(STAFF, _staff, _add, Right.MANAGE_STAFF),
    Page(_MEMBER, _member, right=Right.MANAGE_STAFF),
    Page(f"{_MEMBER}/role", send=_changer("role", _role), right=Right.MANAGE_STAFF),
    Page(f"{_MEMBER}/password", send=_changer("password", _password), right=Right.MANAGE_STAFF),
    Page(
        f"{_MEMBER}/reset-second-factor",
        send=_changer("second-factor", _reset_second_factor),
        right=Right.MANAGE_STAFF,
    ),
    Page(f"{_MEMBER}/disable", send=_changer("disabled", _disable), right=Right.MANAGE_STAFF),
    Page(f"{_MEMBER}/enable", send=_changer("enabled", _enable), right=Right.MANAGE_STAFF),
]
