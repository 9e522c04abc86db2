"""The fields for names by language, of a product and of a function."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from premade.catalog.product_input import NAME_CHARACTERS_MAX
from premade.console.forms import Form, Input, or_none
from premade.texts.languages import SIMPLIFIED_CHINESE, TRADITIONAL_CHINESE
from premade.texts.translation import ENGLISH, Language, Text, lazy
from premade.values.texts import one_line


def _input(language: Language) -> Input:
    return Input(
        lazy("Name in %(language)s", language=language.own_name),
        or_none(lambda text: one_line(text, NAME_CHARACTERS_MAX)),
        maxlength=NAME_CHARACTERS_MAX,
    )


class NamesForm(Form):
    """A name in each language. Each is optional."""

    name_en: Annotated[str | None, _input(ENGLISH)] = Field(alias=f"name.{ENGLISH.tag}")
    name_zh_hant: Annotated[str | None, _input(TRADITIONAL_CHINESE)] = Field(
        alias=f"name.{TRADITIONAL_CHINESE.tag}"
    )
    name_zh_hans: Annotated[str | None, _input(SIMPLIFIED_CHINESE)] = Field(
        alias=f"name.{SIMPLIFIED_CHINESE.tag}"
    )

    def names(self) -> dict[str, str]:
        """Return the names of the form by language tag."""
        return {
            tag: name
            for tag, field in FIELD_OF_LANGUAGE.items()
            if (name := getattr(self, field)) is not None
        }


FIELD_OF_LANGUAGE: Mapping[str, str] = {
    str(declared.alias).removeprefix("name."): name for name, declared in NamesForm.model_fields.items()
}
"""The field of the form for each language tag."""


def names_as_typed(names: Mapping[str, str]) -> dict[str, str]:
    """Return the texts of the fields for these names."""
    return {f"name.{tag}": names.get(tag, "") for tag in FIELD_OF_LANGUAGE}


def shown_names(names: Mapping[str, str]) -> list[tuple[Text, str]]:
    """Return label and name of each language that has a name."""
    inputs = NamesForm.inputs()
    return [(inputs[f"name.{tag}"].label, names[tag]) for tag in FIELD_OF_LANGUAGE if tag in names]
