"""Write the catalogue of texts for people, `src/premade/texts/console.pot`, or compile a language: `make messages`.

The texts are in templates, in Python, and in the lists that templates read: problems, events, roles, permissions, formats.
"""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from premade.audit.event_fields import ErasureCause, SignInMethod, SignInRefusal
from premade.audit.events import CATALOGUE
from premade.export.formats import FORMATS
from premade.monitoring.findings import KINDS
from premade.partners.permission import PERMISSIONS
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
NOT_IN_FORMS = {"http", "json", "option", "logo", "setting", "validation"}
"""Fields of requests and options of commands, which no page shows."""
HEADER = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'


def listed() -> Iterator[tuple[str, str]]:
    """Each text of a list, and the module or file that has it."""
    for text in problem_texts().values():
        details = [text.detail] if isinstance(text.detail, str) else text.detail.values()
        for each in (text.title, text.remedy, *details):
            yield each, "texts/problems.toml"
    for key, text in field_texts().items():
        if key.partition(".")[0] not in NOT_IN_FORMS:
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


def compile_languages() -> None:
    """Write `console.mo` beside each `console.po`."""
    for po in SOURCE.glob("texts/*/LC_MESSAGES/console.po"):
        with po.open("rb") as source, po.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, read_po(source))


if __name__ == "__main__":
    POT.write_text(as_pot(catalogue()))
    compile_languages()
    sys.stdout.write(f"{POT.relative_to(Path.cwd())}: {len(catalogue())} texts\n")
