"""Staff: who there is, adding somebody, changing their role, their password, and whether they are let in."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from premade.base.edge import Page
from premade.base.errors import Conflict, Invalid
from premade.console.door import HOME, Visit, by_field, form_only, go_to, page
from premade.console.paper import Paper
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


def pages(paper: Paper) -> list[Page]:
    """The routes."""
    right, one = Right.MANAGE_STAFF, f"{STAFF}/{{name}}"
    return [
        *page(paper, STAFF, _everybody, _add, right),
        *page(paper, one, _one, right=right),
        *form_only(paper, f"{one}/role", _changer("role", _role), right),
        *form_only(paper, f"{one}/password", _changer("password", _password), right),
        *form_only(paper, f"{one}/disable", _changer("disabled", _disable), right),
        *form_only(paper, f"{one}/enable", _changer("enabled", _enable), right),
    ]


async def _everybody(visit: Visit) -> Response:
    return await _list(visit, 200, {}, {})


async def _list(visit: Visit, status: int, wrong: dict[str, str], given: dict[str, str]) -> Response:
    return visit.page(
        "staff.html",
        status,
        staff=await list_staff(visit.database),
        wrong=wrong,
        given=given,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
    )


async def _add(visit: Visit) -> Response:
    name, role, password = (visit.form.get(field, "") for field in ("name", "role", "password"))
    given = {"name": name, "role": role}
    try:
        added = await add_staff(visit.database, visit.world, name, role, password, actor=visit.member.actor)
    except Invalid as error:
        return await _list(visit, 400, by_field(error.errors), given)
    except StaffNameTaken as error:
        return await _list(visit, 409, {"name": error.detail}, given)
    return go_to(f"{STAFF}/{added['name']}?done=added")


async def _one(visit: Visit) -> Response:
    return await _show(visit, 200, {})


async def _show(visit: Visit, status: int, wrong: dict[str, str]) -> Response:
    somebody = await staff_named(visit.database, visit.named("name"))
    return visit.page(
        "staff_member.html",
        status,
        somebody=somebody,
        is_self=somebody["staff_id"] == visit.member.staff_id,
        wrong=wrong,
        done=_DONE.get(visit.told("done")) if not wrong else None,
        password_characters_min=PASSWORD_CHARACTERS_MIN,
    )


def _changer(
    done: str, change: Callable[[Visit, str], Awaitable[object]]
) -> Callable[[Visit], Awaitable[Response]]:
    async def act(visit: Visit) -> Response:
        somebody = await staff_named(visit.database, visit.named("name"))
        if done != "password" and somebody["staff_id"] == visit.member.staff_id:
            message = "You cannot change your own role, or disable yourself."
            raise OwnAccount(message)
        try:
            await change(visit, somebody["name"])
        except Invalid as error:
            return await _show(visit, 400, by_field(error.errors))
        return go_to(f"{STAFF}/{somebody['name']}?done={done}")

    return act


async def _role(visit: Visit, name: str) -> None:
    role = visit.form.get("role", "")
    await set_role(visit.database, visit.world, name, role, actor=visit.member.actor)


async def _password(visit: Visit, name: str) -> None:
    password = visit.form.get("password", "")
    await set_password(visit.database, visit.world, name, password, actor=visit.member.actor)


async def _disable(visit: Visit, name: str) -> None:
    await set_disabled(visit.database, visit.world, name, disabled=True, actor=visit.member.actor)


async def _enable(visit: Visit, name: str) -> None:
    await set_disabled(visit.database, visit.world, name, disabled=False, actor=visit.member.actor)
