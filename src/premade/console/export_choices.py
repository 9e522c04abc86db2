"""What the staff may choose when they take a batch's tickets out: formats, and which tickets. Pure."""

from premade.export.layout import PER_PAGE, Paper
from premade.export.rows import NOT_OVER
from premade.tickets.ticket import Status

TICKETS_A_FILE_MAX = 5_000
"""Of what is printed."""
WHICH: dict[str, tuple[str, tuple[Status, ...] | None]] = {
    "all": ("all", None),
    "good": ("unused and active", NOT_OVER),
    "unused": ("unused", (Status.PRE_GENERATED,)),
}
SHEETS = {f"pdf-{paper}-{per_page}": (paper, per_page) for paper in Paper for per_page in PER_PAGE}
PRINTED = {
    **{
        name: f"Sheets to print, {paper.title()}, {per_page} a page (PDF)"
        for name, (paper, per_page) in SHEETS.items()
    },
    "zip": "QR pictures (ZIP)",
}
TABLES = {"csv": "Table (CSV)", "xlsx": "Workbook (XLSX)", "jsonl": "JSON lines"}
