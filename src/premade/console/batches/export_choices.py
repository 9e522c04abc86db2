"""The choices of the staff for an export: format, and tickets by state."""

from premade.export.formats import FORMATS, file_name
from premade.export.rows import NOT_OVER
from premade.texts.translation import Text, lazy
from premade.tickets.ticket import Status

TICKETS_A_FILE_MAX = 5_000
"""Maximum number of tickets in a printed file."""
WHICH: dict[str, tuple[Text, tuple[Status, ...] | None]] = {
    "all": (lazy("all"), None),
    "good": (lazy("unused and active"), NOT_OVER),
    "unused": (lazy("unused"), (Status.PRE_GENERATED,)),
}
PRINTED = {name: form.label for name, form in FORMATS.items() if form.is_printed}
TABLES = {name: form.label for name, form in FORMATS.items() if not form.is_printed}
NAME_ON_SHEETS = "name"
"""The form field for another name on the sheets, if they cannot print the product's name."""


def name_of_file(batch_id: str, form: str, which: str, part: int | None) -> str:
    """Return a file name that differs for each choice: `BATCH-unused-letter-24-2.pdf`. `part` is None for a single file."""
    suffix, _, layout = form.partition("-")
    words = [batch_id, *([] if which == "all" else [which]), *([layout] if layout else [])]
    return file_name("-".join(words + ([] if part is None else [str(part)])), suffix)
