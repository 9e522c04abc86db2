"""The forms about members of the staff. What they may contain is checked by `staff.member`."""

from typing import Annotated

from premade.console.forms import Form, Input, Options, as_sent
from premade.staff.password import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from premade.staff.role import Role
from premade.texts.translation import Text, lazy

ROLES: Options = {
    Role.ADMIN: lazy("admin"),
    Role.OPERATIONS: lazy("operations"),
    Role.FINANCE: lazy("finance"),
    Role.GATE: lazy("gate"),
}
ROLE_DESCRIPTIONS: dict[Role, Text] = {
    Role.ADMIN: lazy(
        "everything: also add partners, create and revoke API keys, manage the staff, and export and erase customers"
    ),
    Role.OPERATIONS: lazy(
        "see tickets, orders, batches, stock and partners, and the audit record; cancel and reissue tickets; generate, export and cancel batches; change products, prices and allotments, and release reservations; the gate page, and approve and revoke devices of gates"
    ),
    Role.FINANCE: lazy(
        "see tickets, orders, batches, stock and partners, and the audit record; export batches"
    ),
    Role.GATE: lazy("the gate page: scan and redeem tickets"),
}
"""The permissions of each role, in words."""
NAME_CHARACTERS_MAX = 63
PASSWORD_HINT = lazy("At least %(count)s characters.", count=PASSWORD_CHARACTERS_MIN)
NewPassword = Annotated[
    str,
    Input(
        lazy("New password"),
        as_sent,
        PASSWORD_HINT,
        kind="password",
        required=True,
        minlength=PASSWORD_CHARACTERS_MIN,
        maxlength=PASSWORD_CHARACTERS_MAX,
        autocomplete="new-password",
    ),
]
RoleOfMember = Annotated[str, Input(lazy("Role"), as_sent, kind="select", autocomplete=None)]


class MemberForm(Form):
    """A new member of the staff."""

    name: Annotated[
        str,
        Input(
            lazy("Name"),
            as_sent,
            required=True,
            maxlength=NAME_CHARACTERS_MAX,
            autocapitalize="none",
            spellcheck=False,
        ),
    ]
    role: RoleOfMember
    password: NewPassword


class RoleForm(Form):
    """The role of a member."""

    role: RoleOfMember


class PasswordForm(Form):
    """A new password for a member."""

    password: NewPassword
