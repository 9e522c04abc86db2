"""The forms about members of the staff. What they may contain is checked by `staff.member`."""

from typing import Annotated

from premade.console.forms import Form, Input, Options, as_sent
from premade.staff.password import PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN
from premade.staff.role import Role
from premade.texts.translation import lazy

ROLES: Options = {str(role): lazy(str(role)) for role in Role}
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
