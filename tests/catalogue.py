"""Write the catalogues of texts for people: `make messages`.

`src/premade/texts/console.pot` has all texts in English, and each `<language>/LC_MESSAGES/console.po` their translations. The
texts are in templates, in Python, and in the lists that templates read: problems, events, roles, permissions, formats.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from premade.audit.event_fields import ErasureCause, SignInMethod, SignInRefusal
from premade.audit.events import CATALOGUE
from premade.export.formats import FORMATS
from premade.monitoring.findings import KINDS
from premade.partners.permission import PERMISSIONS, PRESETS
from premade.staff.role import Role
from premade.texts.fields import field_texts
from premade.texts.problems import problem_texts
from premade.texts.translation import SCRIPT

SOURCE = Path(__file__).parents[1] / "src" / "premade"
POT = SOURCE / "texts" / "console.pot"
METHODS = [
    ("console/**.html", "jinja2"),
    ("console/gate/static/*.mjs", "javascript"),
    ("**.py", "python"),
]
OPTIONS = {
    "console/**.html": {
        "newstyle_gettext": "true",
        "trim_blocks": "true",
        "lstrip_blocks": "true",
        "silent": "false",
    }
}
KEYWORDS = {"_": None, "gettext": None, "lazy": None, "ngettext": (1, 2)}
OF_COMMANDS = {"option", "logo", "setting"}
"""Options of commands and settings, which neither a page nor a response shows."""
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def listed() -> Iterator[tuple[str, str]]:
    """Each text of a list, and the module or file that has it."""
    for text in problem_texts().values():
        details = [text.detail] if isinstance(text.detail, str) else text.detail.values()
        for each in (text.title, text.remedy, *details):
            yield each, "texts/problems.toml"
    for key, text in field_texts().items():
        if key.partition(".")[0] not in OF_COMMANDS:
            yield text, "texts/fields.toml"
    yield problem_texts()["INTERNAL"].cause, "texts/problems.toml"
    for event in CATALOGUE.values():
        kind = event.kind
        for each in (kind.title, kind.title_of_subject, kind.sentence, *kind.also.values()):
            yield each, "audit/events.py"
    for kind in KINDS:
        for each in (kind.headline, kind.advice):
            yield each, f"monitoring/finding_kinds/{kind.find.__module__.rpartition('.')[2]}.py"
    yield from (
        (each.text, "audit/event_fields.py") for each in (*SignInRefusal, *SignInMethod, *ErasureCause)
    )
    yield from ((str(role), "staff/role.py") for role in Role)
    yield from ((permission.label, "partners/permission.py") for permission in PERMISSIONS.values())
    yield from ((preset.label, "partners/permission.py") for preset in PRESETS.values())
    yield from ((form.label, "export/formats.py") for form in FORMATS.values())


def catalogue() -> Catalog:
    """All texts, in English."""
    found = Catalog(charset="utf-8")
    for file, _, message, _, _ in extract_from_dir(SOURCE, METHODS, OPTIONS, KEYWORDS):
        context = SCRIPT if file.endswith(".mjs") else None
        found.add(message, locations=[(f"src/premade/{file}", 0)], context=context)
    for text, file in listed():
        if text:
            found.add(text, locations=[(f"src/premade/{file}", 0)])
    return found


def as_pot(texts: Catalog) -> str:
    """The catalogue as a file: without dates and line numbers, so that it changes with the texts only."""
    out = io.BytesIO()
    write_po(out, texts, sort_output=True, include_lineno=False, omit_header=True, width=120)
    return HEADER + out.getvalue().decode().lstrip("\n")


def translations() -> dict[Path, Catalog]:
    """The catalogue of each language, by its file."""
    return {
        file: read_po(io.BytesIO(file.read_bytes()), locale=file.parts[-3])
        for file in sorted(SOURCE.glob("texts/*/LC_MESSAGES/console.po"))
    }


def as_po(texts: Catalog, template: Catalog) -> str:
    """A language's catalogue as a file, with the texts of the template: new ones are empty, and old ones are gone."""
    texts.update(template, no_fuzzy_matching=True)
    texts.obsolete.clear()
    out = io.BytesIO()
    write_po(out, texts, sort_output=True, include_lineno=False, omit_header=True, width=120)
    header = f'"Language: {texts.locale}\\n"\n"Plural-Forms: {texts.plural_forms}\\n"\n\n'
    return HEADER.rstrip("\n") + "\n" + header + out.getvalue().decode().lstrip("\n")


def forms(message: Message) -> list[str]:
    """The translations of a text: one, or one for each plural form."""
    translated = message.string or ""
    return [translated] if isinstance(translated, str) else list(translated)


def missing(texts: Catalog) -> list[str]:
    """The texts that have no translation, or one that nobody has checked ("fuzzy")."""
    return [str(each.id) for each in texts if each.id and (each.fuzzy or not all(forms(each)))]


if __name__ == "__main__":
    everything = catalogue()
    POT.write_text(as_pot(everything))
    sys.stdout.write(f"{POT.relative_to(Path.cwd())}: {len(everything)} texts\n")
    for file, texts in translations().items():
        file.write_text(as_po(texts, everything))
        sys.stdout.write(f"{file.relative_to(Path.cwd())}: {len(missing(texts))} without a translation\n")
