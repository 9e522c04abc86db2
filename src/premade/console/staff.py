"""Staff: who there is, adding somebody, changing their role, their password, and whether they are let in."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from premade.console.door import HOME, StaffRequest, by_field, form_only, go_to, page
from premade.console.rendering import Templates
from premade.http.gateway import PageRoute
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
from premade.staff.password import PASSWORD_CHARACTERS_MIN
from premade.staff.role import Right

STAFF = f"{HOME}/staff"
_DONE = {
    "added": "Added. They can sign in from now on.",
    "role": "The role is changed. It counts from their next page on.",
    "password": "The new password is set, and they are signed out everywhere.",
    "disabled": "Disabled: they are signed out everywhere and cannot sign in.",
    "enabled": "Enabled: they can sign in again.",
}


class OwnAccount(Conflict):
    """Admins keep their own role and access: otherwise the last one could lock everybody out. Nothing was changed."""

    code = "OWN_ACCOUNT"
    title = "That is your own account"
    remedy = "Ask another admin, or use 'premade staff' on the server."


def pages(templates: Templates) -> list[PageRoute]:
    """The routes."""
    right, one = Right.MANAGE_STAFF, f"{STAFF}/{{name}}"
    return [
        *page(templates, STAFF, _everybody, _add, right),
        *page(templates, one, _one, right=right),
        *form_only(templates, f"{one}/role", _changer("role", _role), right),
        *form_only(templates, f"{one}/password", _changer("password", _password), right),
        *form_only(templates, f"{one}/disable", _changer("disabled", _disable), right),
        *form_only(templates, f"{one}/enable", _changer("enabled", _enable), right),
    ]


async def _everybody(visit: StaffRequest) -> Response:
    return await _list(visit, 200, {}, {})


async def _list(visit: StaffRequest, status: int, wrong: dict[str, str], given: dict[str, str]) -> Response:
    return visit.page(
        "staff.html",
        status,
        staff=await list_staff(visit.database),
        wrong=wrong,
        given=given,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
    )


async def _add(visit: StaffRequest) -> Response:
    name, role, password = (visit.form.get(field, "") for field in ("name", "role", "password"))
    given = {"name": name, "role": role}
    try:
        added = await add_staff(visit.database, visit.runtime, name, role, password, actor=visit.member.actor)
    except Invalid as error:
        return await _list(visit, 400, by_field(error.errors), given)
    except StaffNameTaken as error:
        return await _list(visit, 409, {"name": error.detail}, given)
    return go_to(f"{STAFF}/{added['name']}?done=added")


async def _one(visit: StaffRequest) -> Response:
    return await _show(visit, 200, {})


async def _show(visit: StaffRequest, status: int, wrong: dict[str, str]) -> Response:
    somebody = await staff_named(visit.database, visit.path_param("name"))
    return visit.page(
        "staff_member.html",
        status,
        somebody=somebody,
        is_self=somebody["staff_id"] == visit.member.staff_id,
        wrong=wrong,
        done=_DONE.get(visit.own_link_param("done")) if not wrong else None,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
    )


def _changer(
    done: str, change: Callable[[StaffRequest, str], Awaitable[object]]
) -> Callable[[StaffRequest], Awaitable[Response]]:
    async def act(visit: StaffRequest) -> Response:
        somebody = await staff_named(visit.database, visit.path_param("name"))
        if done != "password" and somebody["staff_id"] == visit.member.staff_id:
            message = "You cannot change your own role, or disable yourself."
            raise OwnAccount(message)
        try:
            await change(visit, somebody["name"])
        except Invalid as error:
            return await _show(visit, 400, by_field(error.errors))
        return go_to(f"{STAFF}/{somebody['name']}?done={done}")

    return act


async def _role(visit: StaffRequest, name: str) -> None:
    role = visit.form.get("role", "")
    await set_role(visit.database, visit.runtime, name, role, actor=visit.member.actor)


async def _password(visit: StaffRequest, name: str) -> None:
    password = visit.form.get("password", "")
    await set_password(visit.database, visit.runtime, name, password, actor=visit.member.actor)


async def _disable(visit: StaffRequest, name: str) -> None:
    await set_disabled(visit.database, visit.runtime, name, disabled=True, actor=visit.member.actor)


async def _enable(visit: StaffRequest, name: str) -> None:
    await set_disabled(visit.database, visit.runtime, name, disabled=False, actor=visit.member.actor)
