"""The names of functions by language: the list, and the form of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from premade.catalog.names import list_function_names, name_function
from premade.console.change_flow import Edit, Preview, Row, VersionChanged, edit_page
from premade.console.routing import Page, StaffRequest
from premade.console.stock.names_form import NamesForm, names_as_typed
from premade.console.stock.products import STOCK
from premade.staff.role import Right
from premade.texts.languages import LANGUAGES
from premade.texts.translation import Language, Text, lazy
from premade.texts.translation import gettext as _

FUNCTIONS = f"{STOCK}/functions"
_DONE = {"named": lazy("Saved.")}


@dataclass(frozen=True)
class _FunctionsPage:
    functions: Mapping[str, Mapping[str, str]]
    """Names by language tag, by function code."""
    languages_of_names: Sequence[Language]
    done: Text | None


async def _functions(request: StaffRequest) -> Response:
    names = await list_function_names(request.database)
    return request.page(
        "stock/functions.html", _FunctionsPage(names, LANGUAGES, _DONE.get(request.own_link_param("done")))
    )


class FunctionNames(Edit[NamesForm]):
    """Set the names of a function."""

    form = NamesForm
    stale = (VersionChanged,)
    stale_message = lazy("Somebody else changed the names meanwhile.")
    cancel_address = FUNCTIONS

    def __init__(self, request: StaffRequest, code: str, names: Mapping[str, str]) -> None:
        super().__init__(request)
        self.code = code
        self.names = names
        self.title = _("Names of function %(code)s", code=code)

    @classmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the function that the path names."""
        code = request.path_param("function_code")
        functions = await list_function_names(request.database)
        if code not in functions:
            raise HTTPException(404)
        return cls(request, code, functions[code])

    async def initial(self) -> dict[str, str]:
        """Return the present names."""
        return names_as_typed(self.names)

    async def preview(self, form: NamesForm) -> Preview:
        """Return each name that would change."""
        old, new = names_as_typed(self.names), names_as_typed(form.names())
        return Preview(
            _("Change the names of function %(code)s?", code=self.code),
            "",
            [
                Row(declared.label, new[name] or _("none"), old[name] or _("none"))
                for name, declared in NamesForm.inputs().items()
                if old[name] != new[name]
            ],
            version=self._version(),
            notes=[_("Guests and guards see the names in all products that have this function.")],
        )

    async def save(self, form: NamesForm) -> str:
        """Save the names, if they are still those that were shown."""
        if self.version != self._version():
            raise VersionChanged
        request = self.request
        await name_function(
            request.database, request.runtime, self.code, form.names(), actor=request.member.actor
        )
        return f"{FUNCTIONS}?done=named"

    def _version(self) -> str:
        return orjson.dumps(self.names, option=orjson.OPT_SORT_KEYS).decode()


PAGES = [
    Page(FUNCTIONS, _functions, right=Right.SEE_STOCK),
    edit_page(f"{FUNCTIONS}/{{function_code}}", FunctionNames, Right.CHANGE_STOCK),
]
