"""Forms. A form is a pydantic model, declared once: how a field is read, and how it is shown.

    class LimitsForm(Form):
        hours: Annotated[int, Input("Hours", read=whole, hint="1 to 8,760.", inputmode="numeric")]

`Form.parse` reads what was sent, and reports every wrong field. `Form.view` is the form for a template.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, ValidationError
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import CoreSchema, no_info_before_validator_function
from starlette.requests import Request

from premade.console.csrf import FormForeign
from premade.http.body import receive_body
from premade.runtime.errors import FieldError, Invalid
from premade.texts.translation import Text
from premade.values.texts import cleaned

FORM_BYTES_MAX = 16_384
FORM_FIELDS_MAX = 50
Kind = Literal["text", "date", "password", "datetime-local", "checkbox", "select", "textarea", "hidden"]
Options = Mapping[str, Text]
"""The choices of a list: text by value."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of the form. Of a repeated field, the last one counts.

    Raises:
        BodyRefused: the body is too large or too slow.
        FormForeign: the console has no such form.
    """
    body = await receive_body(request, FORM_BYTES_MAX)
    try:
        fields = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX, errors="replace"
        )
    except ValueError:
        raise FormForeign("not_ours") from None
    return dict(fields)


def by_field(errors: list[FieldError]) -> dict[str, str]:
    """Return the error of each field, by name."""
    return {error.pointer.removeprefix("#/"): error.detail for error in errors}


def as_sent(text: str) -> str:
    """Return the text unchanged. For names, reasons and passwords: what they may contain is checked elsewhere."""
    return text


def or_none(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a reader for an optional field: None if it is empty."""
    return lambda text: read(text) if cleaned(text) else None


def is_checked(text: str) -> bool:
    """Read a checkbox. A browser sends nothing for one that is not checked."""
    return bool(text)


@dataclass(frozen=True)
class Input:
    """A field of a form: its label, how it is read, and its HTML attributes. An annotation for pydantic."""

    label: Text
    read: Callable[[str], Any] = cleaned
    """Return the value, or raise Invalid or ValueError with the error for the field."""
    hint: Text = ""
    kind: Kind = "text"
    required: bool = False
    maxlength: int | None = None
    minlength: int | None = None
    min: str | None = None
    inputmode: str | None = None
    pattern: str | None = None
    placeholder: str | None = None
    autocomplete: str | None = "off"
    autocapitalize: str | None = None
    spellcheck: bool = True
    rows: int | None = None
    list: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the text before pydantic checks the type."""
        return no_info_before_validator_function(self._read, handler(source))

    def _read(self, text: str) -> Any:
        try:
            return self.read(text)
        except Invalid as error:
            detail = "; ".join(each.detail for each in error.errors)
        except ValueError as error:
            detail = str(error)
        raise PydanticCustomError("field", "{detail}", {"detail": detail})

    def attributes(self) -> dict[str, str]:
        """Return the HTML attributes that say what may be typed."""
        names = ("maxlength", "minlength", "min", "inputmode", "pattern", "placeholder")
        names += ("autocomplete", "autocapitalize", "rows", "list")
        found = {name: str(getattr(self, name)) for name in names if getattr(self, name) is not None}
        if self.required:
            found["required"] = ""
        return found if self.spellcheck else {**found, "spellcheck": "false"}


@dataclass(frozen=True)
class FieldView:
    """A field as a template shows it."""

    name: str
    input: Input
    value: str
    error: Text
    hint: Text
    options: Options
    is_focused: bool = False

    @property
    def label(self) -> Text:
        """The field's label."""
        return self.input.label

    @property
    def kind(self) -> Kind:
        """The kind of element."""
        return self.input.kind

    @property
    def attributes(self) -> dict[str, str]:
        """Every attribute of the element but its id, its name and what it contains."""
        found = self.input.attributes()
        described_by = [f"{self.name}-wrong"] * bool(self.error) + [f"{self.name}-hint"] * bool(self.hint)
        if self.is_focused:
            found["autofocus"] = ""
        if self.error:
            found["aria-invalid"] = "true"
        if described_by:
            found["aria-describedby"] = " ".join(described_by)
        return found


@dataclass(frozen=True)
class FormView:
    """A form as a template shows it: what is typed, and what is wrong with it. `view["name"]` is one field."""

    fields: Mapping[str, FieldView]
    wrong: Mapping[str, str] = field(default_factory=dict[str, str])

    def __getitem__(self, name: str) -> FieldView:
        """Return a field by its name in HTML."""
        return self.fields[name]

    def __iter__(self) -> Iterator[FieldView]:
        """Return the fields as they are declared."""
        return iter(self.fields.values())


class Form(BaseModel):
    """Base of all forms. A field's alias is its name in HTML."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True, extra="ignore")

    @classmethod
    def inputs(cls) -> dict[str, Input]:
        """Return the declared fields, by name in HTML."""
        return {
            declared.alias or name: next(each for each in declared.metadata if isinstance(each, Input))
            for name, declared in cls.model_fields.items()
        }

    @classmethod
    def texts(cls, sent: Mapping[str, str]) -> dict[str, str]:
        """Return the typed text of each field."""
        return {name: sent.get(name, "") for name in cls.inputs()}

    @classmethod
    def parse(cls, sent: Mapping[str, str]) -> Self:
        """Read a form.

        Raises:
            Invalid: it lists all fields that are wrong.
        """
        try:
            return cls.model_validate(cls.texts(sent))
        except ValidationError as error:
            raise Invalid([FieldError(str(each["loc"][0]), each["msg"]) for each in error.errors()]) from None

    @classmethod
    def view(
        cls,
        typed: Mapping[str, str],
        wrong: Mapping[str, str] | None = None,
        *,
        options: Mapping[str, Options] | None = None,
        hints: Mapping[str, Text] | None = None,
        without: Sequence[str] = (),
        focus: str = "",
    ) -> FormView:
        """Return the form for a template.

        `options`: choices by field. `hints`: hints that depend on more than the declaration. `without`: fields to leave out.
        `focus`: the field to begin with.
        """
        wrong, options, hints = wrong or {}, options or {}, hints or {}
        fields = {
            name: FieldView(
                name,
                declared,
                typed.get(name, ""),
                wrong.get(name, ""),
                hints.get(name, declared.hint),
                options.get(name, {}),
                is_focused=name == focus,
            )
            for name, declared in cls.inputs().items()
            if name not in without
        }
        return FormView(fields, wrong)
