"""The documents agree with the code: numbers with their constants, links and file names with the tree."""

import re
from datetime import timedelta
from pathlib import Path

import pytest

from premade.batches.batch import BATCH_ID_CHARACTERS_MAX
from premade.doctor.checks.connections import NEARLY_ALL
from premade.doctor.checks.disk import FULL_BYTES, LOW_BYTES
from premade.doctor.checks.postgresql import OLD_DAYS
from premade.doctor.postgres_releases import SUPPORTED
from premade.expiry import expire
from premade.export.as_sheets import TICKETS_A_FILE_MAX
from premade.generation import large
from premade.generation import routes as generation
from premade.http.body import BODY_BYTES_MAX
from premade.http.protocol import HEAD_BYTES_MAX
from premade.monitoring.readiness import CLOCKS_APART_MAX
from premade.monitoring.refusals import WRITE_EVERY_SECONDS
from premade.offline.routes import KEYS_CACHE_SECONDS
from premade.postgres import migrations, pool
from premade.postgres.background_runs import APART, LATE_SECONDS_MAX
from premade.postgres.embedded.server_log import LOG_LIMIT_BYTES
from premade.redemption import manual
from premade.redemption.sync import CONFLICTS_OF_TICKET_MAX, REDEMPTIONS_MAX
from premade.redemption.verdict import CLOCK_SKEW_MAX
from premade.reissue.reissue import IssueLimit
from premade.runtime.errors import Busy
from premade.runtime.settings import Settings, variable_of
from premade.staff import session
from premade.texts.problems import problem_texts
from premade.tickets.code import CODES_A_SECOND, ISSUE_NUMBER_MAX

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "premade"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
SMALL = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
]
GIB, MIB, KIB = 1024**3, 1024**2, 1024
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SETTINGS = {variable_of(name): field for name, field in Settings.model_fields.items()}
NO_DEFAULT = {"": "None", "none": "", "false": "False"}
"""How docs/settings.md writes these defaults."""


def in_words(number: float) -> str:
    return SMALL[int(number)]


# Each: a document, and a text of it with the numbers of today's constants.
NUMBERS = [
    ("README.md", f"has 1 to {BATCH_ID_CHARACTERS_MAX} letters, digits"),
    ("CHANGELOG.md", f"generates a batch of 1 to {generation.QUANTITY_MAX} tickets"),
    ("CHANGELOG.md", f"generates up to {large.QUANTITY_MAX:,} tickets with a progress bar"),
    ("CHANGELOG.md", f"conflicts of a ticket beyond {CONFLICTS_OF_TICKET_MAX}"),
    ("CHANGELOG.md", f"less than {CLOCKS_APART_MAX // SECOND} seconds apart"),
    ("docs/architecture.md", f"by statements of {large.TICKETS_A_TRANSACTION_MAX} tickets each"),
    ("docs/architecture.md", f"Every {in_words(large.LOOK_EVERY_SECONDS)} seconds each worker looks"),
    ("docs/architecture.md", f"at most {expire.TICKETS_A_TRANSACTION_MAX} tickets per transaction"),
    ("docs/architecture.md", f"ends within {in_words(pool.CUT_OFF_SECONDS)} seconds"),
    ("docs/architecture.md", f"within {in_words(pool.POOL_WAIT_SECONDS)} seconds"),
    ("docs/architecture.md", f"connection within {in_words(pool.POOL_WAIT_SECONDS)} seconds"),
    ("docs/architecture.md", f"{Settings.model_fields['database_connections_per_worker'].default} by default"),
    ("docs/architecture.md", f"files of {TICKETS_A_FILE_MAX:,} tickets"),
    ("docs/architecture.md", f"the first {CONFLICTS_OF_TICKET_MAX} conflicts of a ticket"),
    ("docs/architecture.md", f"every {in_words(WRITE_EVERY_SECONDS)} seconds"),
    ("docs/states.md", f"MAKING: up to {large.TICKETS_A_TRANSACTION_MAX} tickets are generated"),
    ("docs/states.md", f"large batches of up to {large.QUANTITY_MAX:,} tickets"),
    ("docs/glossary.md", f"batch of the operator, of up to {large.QUANTITY_MAX:,} tickets"),
    ("docs/glossary.md", f"{TICKETS_A_FILE_MAX:,} tickets of a batch that is too large"),
    ("docs/glossary.md", f"1 to {BATCH_ID_CHARACTERS_MAX} letters"),
    ("docs/glossary.md", f"or after {session.SESSION_SECONDS_MAX // 3600} hours"),
    ("docs/qr-token.md", f"cache the keys for at most {in_words(KEYS_CACHE_SECONDS / 60)} minutes"),
    ("docs/qr-token.md", f"at most {REDEMPTIONS_MAX} in one request"),
    ("docs/qr-token.md", f"more than {CLOCK_SKEW_MAX // MINUTE} minutes in the future"),
    ("docs/qr-token.md", f"more than {CLOCK_SKEW_MAX // MINUTE} minutes before the ticket"),
    ("docs/qr-token.md", f"{Settings.model_fields['offline_scan_days'].default} days by default"),
    ("docs/doctor-and-logs.md", f"({SUPPORTED[0]} to {SUPPORTED[1]})"),
    ("docs/doctor-and-logs.md", f"older than {OLD_DAYS} days"),
    ("docs/doctor-and-logs.md", f"above {NEARLY_ALL:.0%}".replace("%", " %")),
    ("docs/doctor-and-logs.md", f"more than {CLOCKS_APART_MAX // SECOND} s apart"),
    ("docs/doctor-and-logs.md", f"more than {in_words(LATE_SECONDS_MAX / 60)} minutes and its pause ago"),
    ("docs/doctor-and-logs.md", f"less than {FULL_BYTES // GIB} GiB is free; a warning below {LOW_BYTES // GIB} GiB"),
    ("docs/doctor-and-logs.md", f"above {LOG_LIMIT_BYTES // MIB} MiB"),
    ("docs/adr/0042-doctor-and-logs.md", f"older than {APART // SECOND} seconds"),
    ("docs/runbook.md", f"{manual.OF_CALLER.attempts_max} in {manual.OF_CALLER.window_seconds // 60} minutes"),
    ("docs/runbook.md", f"{manual.OF_TICKET.attempts_max} in an hour for one ticket"),
    ("docs/runbook.md", f"{manual.OF_GATES.attempts_max} in an hour at all gates"),
    ("docs/runbook.md", f"more than {CLOCKS_APART_MAX // SECOND} seconds apart"),
    ("docs/runbook.md", f"waits {in_words(migrations.LOCK_TIMEOUT_SECONDS)} seconds at a time"),
    ("docs/runbook.md", f"gives up after {in_words(migrations.LOCK_WAIT_SECONDS_MAX / 60)} minutes"),
]  # fmt: skip


@pytest.mark.parametrize(("document", "text"), NUMBERS)
def test_a_number_of_a_document_is_that_of_its_constant(document: str, text: str) -> None:
    assert text in " ".join((ROOT / document).read_text().split())


def test_a_number_of_a_problem_is_that_of_its_constant() -> None:
    assert f"larger than {BODY_BYTES_MAX // MIB} MiB" in problem_texts()["BODY_TOO_LARGE"].cause
    assert f"larger than {HEAD_BYTES_MAX // KIB} KiB" in problem_texts()["HEAD_TOO_LARGE"].cause
    detail = problem_texts()[Busy.code].detail_of("codes")
    assert f"more than {CODES_A_SECOND:,} codes a second" in detail
    assert f" {ISSUE_NUMBER_MAX} times" in problem_texts()[IssueLimit.code].cause


def test_the_list_of_settings_has_each_with_its_default_and_its_range() -> None:
    document = (ROOT / "docs/settings.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|(.*)\|$", document, re.MULTILINE)

    assert [name for name, _, _ in rows if name in SETTINGS] == [name for name, _, _ in rows]
    assert {name for name, _, _ in rows} == set(SETTINGS)
    for name, meaning, cell in rows:
        default = cell.strip("` ")
        assert str(SETTINGS[name].default) == NO_DEFAULT.get(default, default), name
        limits = [getattr(each, "ge", getattr(each, "le", None)) for each in SETTINGS[name].metadata]
        for said in re.findall(r"[(, ](\d+) to (\d+)[),]", meaning):
            assert [int(number) for number in said] == limits, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_and_every_file_name_of_a_document_exists(document: Path) -> None:
    text = document.read_text()
    headings = {
        path: {
            re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
        }
        for path in DOCUMENTS
    }
    for target in re.findall(r"\]\(([^)]+)\)|src=\"([^\"]+)\"", text):
        path, _, section = "".join(target).partition("#")
        if path.startswith("https://"):
            continue
        found = (document.parent / path).resolve() if path else document
        assert found.exists(), target
        assert not section or section in headings[found], target
    for name in re.findall(r"`(\w[\w./-]*/[\w.-]+\.(?:py|sql|mjs|md|json|yml))`", text):
        assert (ROOT / name).exists() or (SOURCE / name).exists(), name


def test_the_ways_of_an_activation_and_a_redemption_name_functions_that_exist() -> None:
    way = re.findall(
        r"^\| \d+ \| `([\w/.]+)` \| `(\w+)` \|", (ROOT / "docs/architecture.md").read_text(), re.MULTILINE
    )

    assert len(way) > 16
    for file, function in way:
        assert re.search(rf"(def|-- name:) {function}\b", (SOURCE / file).read_text()), (file, function)


NOT_OURS = {"add_middleware", "constant_memory", "synchronous_commit"}
"""Names of other programs. Those of PostgreSQL begin with `pg_`, those of Citus with `citus_`."""


def test_every_name_of_a_document_exists() -> None:
    """A renamed function, statement, column or error is renamed in the documents too."""
    trees = [SOURCE, ROOT / "db", ROOT / "tests", ROOT / "ops"]
    kinds = {".py", ".sql", ".toml", ".mjs", ".json", ".yml", ".html"}
    files = [path for tree in trees for path in tree.rglob("*") if path.suffix in kinds]
    known = set().union(*(re.findall(r"\w+", path.read_text()) for path in files if path != Path(__file__)))
    known |= set(SETTINGS)
    text = "\n".join(document.read_text() for document in DOCUMENTS)
    blocks = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    known |= set(re.findall(r"\w+", "".join(blocks.findall(text))))
    prose = blocks.sub("", text)
    names = set(re.findall(r"`([A-Za-z]\w*_\w+)(?:\(\))?`", prose))

    assert len(names) > 100
    assert {name for name in names - known - NOT_OURS if not name.startswith(("pg_", "citus_"))} == set()


def test_decisions_are_numbered_without_a_gap_and_the_heading_has_the_number_of_the_file() -> None:
    files = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(file.name.partition("-")[0]) for file in files]
    assert numbers == list(range(1, len(files) + 1))
    assert [int(file.read_text()[2:].partition(".")[0]) for file in files] == numbers


def test_the_runbook_lists_each_alert_under_its_team() -> None:
    rules = (ROOT / "ops" / "prometheus" / "alerts.yml").read_text()
    teams = re.findall(r"- alert: Premade(\w+).*?team: ([\w-]+)", rules, re.DOTALL)
    rows = re.findall(
        r"^\| (sales operations|on-call) \| (.*) \|$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE
    )
    listed = {
        (alert, team.replace(" ", "-")) for team, cell in rows for alert in re.findall(r"\[(\w+)\]", cell)
    }

    assert len(teams) > 10
    assert listed == set(teams)
