"""Changes are shown before they are saved: edit, preview, save, for every form that changes something.

`edit_page` is for changes that somebody types: a form, a preview, and the same form again with "Back to editing".
`confirm_page` is for changes with little to type, such as a reason: the preview has the form.

Nothing is kept between the requests. The preview carries the typed texts, the version that it is based on, and a nonce. Saving
compares the version. If somebody else changed the record, the preview is shown again for the current record.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, Self, TypeVar

from starlette.responses import Response

from premade.console.addresses import go_to
from premade.console.csrf import NONCE
from premade.console.forms import Form, FormView, by_field
from premade.console.routing import Page, StaffRequest
from premade.runtime.errors import DomainError, Invalid
from premade.staff.role import Right
from premade.texts.translation import Text, lazy

FormT = TypeVar("FormT", bound=Form)
VERSION = "version"
"""The form field with the version that a preview is based on."""
_SAVE = lazy("Save")


class VersionChanged(Exception):
    """The record is not the version that the preview showed. For changes whose action does not compare it."""


class Step(StrEnum):
    """The button that was pressed: the form field `step`."""

    PREVIEW = "preview"
    EDIT = "edit"
    SAVE = "save"


@dataclass(frozen=True)
class Row:
    """A line of the preview. `before` None: nothing to compare with."""

    label: Text
    after: Text
    before: Text | None = None
    note: Text = ""


@dataclass(frozen=True)
class Preview:
    """The effect of a change, before it is saved."""

    title: Text
    subject: str
    """The record that is changed, below the title."""
    rows: Sequence[Row]
    version: str = ""
    warnings: Sequence[Text] = ()
    notes: Sequence[Text] = ()
    save_label: Text = _SAVE
    is_dangerous: bool = False


@dataclass(frozen=True)
class FormPage:
    """Values of the template layout/edit.html. A template that extends it can have a dataclass with more."""

    form: FormView
    title: Text
    subject: str
    hidden: Mapping[str, str]
    cancel_address: str
    is_same: bool
    """Whether the form was sent without a change."""
    step: type[Step] = field(default=Step)


class Change(ABC, Generic[FormT]):
    """A change of one record. An instance is for one request, with the current record."""

    form: type[FormT]
    refusals: ClassVar[Mapping[type[DomainError], str]] = {}
    """Errors of preview and save that are shown beside a field."""
    pointers: ClassVar[Mapping[str, str]] = {}
    """Field by its name in errors, where the form has another name for it."""
    stale: ClassVar[tuple[type[Exception], ...]] = ()
    """Errors of save that mean that somebody else changed the record."""
    stale_message: ClassVar[Text] = ""

    cancel_address: str
    """Target of "Cancel"."""
    focus: ClassVar[str] = ""
    """The field to begin with."""

    def __init__(self, request: StaffRequest) -> None:
        self.request = request

    @classmethod
    @abstractmethod
    async def load(cls, request: StaffRequest) -> Self:
        """Return the change of the record that the request names."""

    @property
    def version(self) -> str:
        """The version that the preview showed."""
        return self.request.form.get(VERSION, "")

    def texts(self) -> dict[str, str]:
        """Return the typed text of each field."""
        return self.form.texts(self.request.form)

    def hidden(self) -> dict[str, str]:
        """Return further fields that the forms carry."""
        return {}

    def explain(self, error: DomainError) -> str:
        """Return the text beside the field for one of `refusals`."""
        return error.detail

    async def view(self, typed: Mapping[str, str], wrong: Mapping[str, str]) -> FormView:
        """Return the form for a template."""
        return self.form.view(typed, wrong, focus=self.focus)

    @abstractmethod
    async def save(self, form: FormT) -> str:
        """Save the change and return the address of the page that shows it."""


class Edit(Change[FormT]):
    """A change that somebody types into a form."""

    template: ClassVar[str] = "layout/edit.html"
    """Extends layout/edit.html, if the fields need more than one after the other."""

    title: Text
    """The heading of the form."""
    subject: str = ""
    """The record that is changed, below the title."""

    @abstractmethod
    async def initial(self) -> dict[str, str]:
        """Return the texts of the fields before anything is typed."""

    def page(self, common: FormPage) -> FormPage:
        """Return the values of `template`."""
        return common

    @abstractmethod
    async def preview(self, form: FormT) -> Preview:
        """Return the effect of saving. No rows: there is nothing to save."""


class Confirmation(Change[FormT]):
    """A change that is described on the page that asks for it."""

    needs_nonce: ClassVar[bool] = False
    """Whether save uses the nonce as its Idempotency-Key."""

    @abstractmethod
    async def preview(self) -> Preview:
        """Return the effect of saving."""


def edit_page(path: str, kind: type[Edit[Any]], right: Right) -> Page:
    """Return the page of a change with a form, a preview and a save."""

    async def show(request: StaffRequest) -> Response:
        loaded = await kind.load(request)
        return await _form_page(loaded, await loaded.initial())

    async def send(request: StaffRequest) -> Response:
        loaded = await kind.load(request)
        typed = loaded.texts()
        if request.form.get("step") == Step.EDIT:
            return await _form_page(loaded, typed)
        try:
            return await _preview_or_save(loaded, kind, typed)
        except Invalid as error:
            found = by_field(error.errors)
            wrong = {kind.pointers.get(name, name): detail for name, detail in found.items()}
            return await _form_page(loaded, typed, wrong, status=400)
        except tuple(kind.refusals) as error:
            wrong = {kind.refusals[type(error)]: loaded.explain(error)}
            return await _form_page(loaded, typed, wrong, status=409)

    return Page(path, show, send, right)


async def _preview_or_save(loaded: Edit[Any], kind: type[Edit[Any]], typed: dict[str, str]) -> Response:
    request, is_stale = loaded.request, False
    form = loaded.form.parse(typed)
    if request.form.get("step") == Step.SAVE:
        try:
            return go_to(await loaded.save(form))
        except kind.stale:
            is_stale, loaded = True, await kind.load(request)
    preview = await loaded.preview(form)
    if not preview.rows:
        return await _form_page(loaded, typed, is_same=True)
    return _preview_page(loaded, preview, hidden={**loaded.hidden(), **typed}, is_stale=is_stale)


async def _form_page(
    loaded: Edit[Any],
    typed: Mapping[str, str],
    wrong: Mapping[str, str] | None = None,
    *,
    status: int = 200,
    is_same: bool = False,
) -> Response:
    page = FormPage(
        form=await loaded.view(typed, wrong or {}),
        title=loaded.title,
        subject=loaded.subject,
        hidden=loaded.hidden(),
        cancel_address=loaded.cancel_address,
        is_same=is_same,
    )
    return loaded.request.page(loaded.template, loaded.page(page), status)


def confirm_page(path: str, kind: type[Confirmation[Any]], right: Right) -> Page:
    """Return the page of a change that is described where it is confirmed."""

    async def show(request: StaffRequest) -> Response:
        loaded = await kind.load(request)
        return await _confirmation(loaded, {})

    async def send(request: StaffRequest) -> Response:
        if kind.needs_nonce:
            request.nonce()
        loaded = await kind.load(request)
        try:
            form = loaded.form.parse(request.form)
        except Invalid as error:
            return await _confirmation(loaded, by_field(error.errors))
        return go_to(await loaded.save(form))

    return Page(path, show, send, right)


async def _confirmation(loaded: Confirmation[Any], wrong: Mapping[str, str]) -> Response:
    view = await loaded.view(loaded.texts(), wrong)
    return _preview_page(loaded, await loaded.preview(), form=view, hidden=loaded.hidden())


@dataclass(frozen=True)
class _PreviewPage:
    preview: Preview
    form: FormView | None
    hidden: Mapping[str, str]
    stale_message: Text
    cancel_address: str
    step: type[Step] = field(default=Step)


def _preview_page(
    loaded: Change[Any],
    preview: Preview,
    *,
    hidden: Mapping[str, str],
    form: FormView | None = None,
    is_stale: bool = False,
) -> Response:
    request = loaded.request
    status = 409 if is_stale else 400 if form and form.wrong else 200
    return request.page(
        "layout/preview.html",
        _PreviewPage(
            preview=preview,
            form=form,
            hidden={
                **hidden,
                VERSION: preview.version,
                NONCE: request.form.get(NONCE) or request.new_nonce(),
            },
            stale_message=loaded.stale_message if is_stale else "",
            cancel_address=loaded.cancel_address,
        ),
        status,
    )


class NoFields(Form):
    """The form of a change that needs no input."""
