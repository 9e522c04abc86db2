"""The tickets of a batch as CSV, JSON lines and workbooks, from the API and from the command."""

import csv
import gzip
import io
import json
import os
import re
import stat
import subprocess
import sys
import zipfile
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from export.conftest import NAME, Stack, large_batch
from large.test_commands import on_a_terminal
from support.service import environment_for
from support.shop import CUSTOMER, Seller, Shop, unique
from support.terminal import Operator, read_until

from premade.audit.actors import COMMAND_ACTOR
from premade.export.as_csv import BYTE_ORDER_MARK, CSV
from premade.export.cells import harmless
from premade.export.rows import COLUMNS, NOT_OVER, PartUnknown, TicketsToExport, part_of, read_export
from premade.export.text import LIMITS, Exports, ExportsBusy
from premade.http.negotiation import preferred
from premade.postgres.database import Database, open_database
from premade.runtime.clock import Runtime
from premade.tickets.ticket import Status

LARGE = 100_000
CSV_SECONDS_MAX = 10
MEMORY_MORE_MAX_BYTES = 20 * 1024 * 1024


def path(batch_id: str, suffix: str = "") -> str:
    return f"/api/ota/batches/{batch_id}/tickets{suffix}"


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def listed(stack: Stack) -> list[dict[str, Any]]:
    """What the list of tickets says of the same tickets."""
    items = stack.seller.http.get("/api/ota/tickets", params={"batch_id": stack.batch_id}).json()["items"]
    return sorted(items, key=lambda item: item["ticket_code"])


@pytest.fixture
def operator(shop: Shop) -> Operator:
    return Operator(shop.dsn)


def exported(operator: Operator, seller: Seller, batch_id: str, file: Path, *more: str) -> dict[str, Any]:
    arguments = ["--partner", seller.name, "--format", file.suffix.removeprefix("."), "-o", str(file), *more]
    return operator.does("export", batch_id, *arguments)


def test_json_lines_say_what_the_list_says_and_the_product_s_name(mixed: Stack) -> None:
    told = lines(mixed.seller.http.get(path(mixed.batch_id, ".jsonl")).text)

    assert [list(line) for line in told] == [list(COLUMNS)] * 4
    assert {line["product_name"] for line in told} == {NAME}
    expected = [{name: value for name, value in item.items() if name in COLUMNS} for item in listed(mixed)]
    assert [{k: v for k, v in line.items() if k != "product_name"} for line in told] == expected
    assert [line["status"] for line in told] == ["PRE_GENERATED", "ACTIVE", "PRE_GENERATED", "CANCELLED"]


def test_csv_says_the_same_in_cells(mixed: Stack) -> None:
    answer = mixed.seller.http.get(path(mixed.batch_id, ".csv"))
    rows = table(answer.text)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == f'attachment; filename="{mixed.batch_id}.csv"'
    assert answer.text.splitlines()[0] == ",".join(COLUMNS)
    assert answer.content.count(b"\r\n") == 5
    for row, item in zip(rows, listed(mixed), strict=True):
        uses = ", ".join(f"{one['function_code']}={one['remaining_uses']}" for one in item["entitlements"])
        expected = {**item, "entitlements": uses, "product_name": NAME}
        assert row == {name: "" if expected[name] is None else str(expected[name]) for name in COLUMNS}


def test_a_workbook_says_the_same_with_numbers_and_days(
    mixed: Stack, operator: Operator, tmp_path: Path
) -> None:
    done = exported(operator, mixed.seller, mixed.batch_id, tmp_path / "out.xlsx")

    assert done == {"files": [str(tmp_path / "out.xlsx")], "tickets": 4}
    [sheet] = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets
    head, *cells = sheet.iter_rows(values_only=True)
    times = ("created_at", "activated_at")
    assert head == tuple(f"{name} (UTC)" if name in times else name for name in COLUMNS)
    rows: list[dict[str, Any]] = [dict(zip(COLUMNS, row, strict=True)) for row in cells]
    assert [row["ticket_code"] for row in rows] == mixed.codes
    sold: dict[str, Any] = rows[1]
    [_, item, *_] = listed(mixed)
    assert (sold["product_name"], sold["price"], sold["issue_number"]) == (NAME, 288, 1)
    assert sold["qr_token"] == item["qr_token"]
    assert sold["valid_until"] == datetime(2099, 3, 31)  # noqa: DTZ001  (a workbook knows no time zones)
    assert sold["usable_until"].date() == date.fromisoformat(item["usable_until"])
    assert f"{sold['activated_at']:%Y-%m-%dT%H:%M:%S}" == item["activated_at"][:19]
    assert sold["order_id"] == item["order_id"]
    # More digits than a spreadsheet shows of a number.
    assert sold["product_id"] == str(mixed.seller.product_id)


def test_nothing_is_said_of_a_customer(mixed: Stack, operator: Operator, tmp_path: Path) -> None:
    texts = [mixed.seller.http.get(path(mixed.batch_id, suffix)).text for suffix in (".csv", ".jsonl")]
    exported(operator, mixed.seller, mixed.batch_id, tmp_path / "out.xlsx")
    cells = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0].iter_rows(values_only=True)
    texts.append(repr(list(cells)))

    for text in texts:
        assert mixed.codes[1] in text
        for secret in (*CUSTOMER.values(), "PAY-OTA-2025-001"):
            assert secret not in text


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        (None, "application/x-ndjson"),
        ("*/*", "application/x-ndjson"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("Text/CSV; q=0.5, application/x-ndjson; q=0.4", "text/csv; charset=utf-8"),
        ("text/*, */*;q=0.1", "text/csv; charset=utf-8"),
        ("application/x-ndjson", "application/x-ndjson"),
        ("text/csv;q=0, */*", "application/x-ndjson"),
    ],
)
def test_accept_chooses_the_format(mixed: Stack, accept: str | None, answered: str) -> None:
    http = mixed.seller.http
    if accept is None:
        http.headers.pop("accept")
    answer = http.get(path(mixed.batch_id), headers={} if accept is None else {"Accept": accept})

    assert (answer.status_code, answer.headers["content-type"]) == (200, answered)
    assert answer.headers["vary"].startswith("Accept, Accept-Encoding")
    same = http.get(path(mixed.batch_id, ".csv" if "csv" in answered else ".jsonl"))
    assert answer.text == same.text


@pytest.mark.parametrize("accept", ["application/json", "text/html", "text/csv;q=0", "", ","])
def test_a_client_that_takes_neither_is_told_what_there_is(mixed: Stack, accept: str) -> None:
    answer = mixed.seller.http.get(path(mixed.batch_id), headers={"Accept": accept})

    assert (answer.status_code, answer.json()["code"]) == (406, "NO_FORMAT_ACCEPTED")
    assert "text/csv" in answer.json()["detail"]


def test_a_quality_that_is_none_counts_as_not_said() -> None:
    assert preferred("text/csv;q=2, a/b", ["text/csv"]) == "text/csv"


@pytest.mark.parametrize("encoding", ["gzip", "br, gzip;q=0.5"])
def test_it_is_compressed_for_who_asks(mixed: Stack, encoding: str) -> None:
    with mixed.seller.http.stream(
        "GET", path(mixed.batch_id, ".csv"), headers={"Accept-Encoding": encoding}
    ) as answer:
        raw = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == "gzip"
    assert len(table(gzip.decompress(raw).decode())) == 4


@pytest.mark.parametrize("encoding", ["identity", "gzip;q=0", "br"])
def test_it_comes_as_it_is_for_who_does_not(mixed: Stack, encoding: str) -> None:
    with mixed.seller.http.stream(
        "GET", path(mixed.batch_id, ".csv"), headers={"Accept-Encoding": encoding}
    ) as answer:
        raw = b"".join(answer.iter_raw())

    assert "content-encoding" not in answer.headers
    assert len(table(raw.decode())) == 4


@pytest.mark.parametrize("suffix", ["", ".csv", ".jsonl"])
def test_another_partner_s_batch_is_answered_as_one_that_there_is_not(
    mixed: Stack, shop: Shop, suffix: str
) -> None:
    other = shop.seller()
    own = other.tickets(1, batch_id=mixed.batch_id)

    answer = other.http.get(path(mixed.batch_id, suffix))
    assert own[0] in answer.text
    assert not any(code in answer.text for code in mixed.codes)
    for batch_id in (unique("NONE"), "no%20batch", "%00"):
        refused = other.http.get(path(batch_id, suffix))
        assert (refused.status_code, refused.json()["code"]) == (404, "BATCH_UNKNOWN")
    third = shop.seller().http.get(path(mixed.batch_id, suffix))
    assert (third.status_code, third.json()["code"]) == (404, "BATCH_UNKNOWN")


@pytest.mark.parametrize("suffix", ["", ".csv", ".jsonl"])
def test_it_needs_the_permission_to_read_tickets(mixed: Stack, shop: Shop, suffix: str) -> None:
    without = shop.client(shop.key(mixed.seller.name, ["tickets:activate"]).key)

    assert shop.client().get(path(mixed.batch_id, suffix)).json()["code"] == "API_KEY_MISSING"
    refused = without.get(path(mixed.batch_id, suffix))
    assert (refused.status_code, refused.json()["code"]) == (403, "PERMISSION_MISSING")


def test_the_command_keeps_to_the_partner_too(mixed: Stack, shop: Shop, operator: Operator) -> None:
    asked = ["--format", "csv", "-o", "-"]
    told = operator.is_refused("export", mixed.batch_id, "--partner", shop.seller().name, *asked)
    assert f"no batch {mixed.batch_id}" in told
    assert "no partner named" in operator.is_refused("export", mixed.batch_id, "--partner", "Nobody", *asked)


@pytest.mark.parametrize("status", ["PRE_GENERATED", "ACTIVE", "CANCELLED", "USED"])
def test_only_tickets_in_a_state(mixed: Stack, operator: Operator, tmp_path: Path, status: str) -> None:
    http = mixed.seller.http
    expected = [item["ticket_code"] for item in listed(mixed) if item["status"] == status]

    over_http = table(http.get(path(mixed.batch_id, ".csv"), params={"status": status}).text)
    done = exported(operator, mixed.seller, mixed.batch_id, tmp_path / "out.csv", "--status", status)

    assert [row["ticket_code"] for row in over_http] == expected
    assert done["tickets"] == len(expected)
    text = (tmp_path / "out.csv").read_bytes().decode("utf-8-sig")
    assert [row["ticket_code"] for row in table(text)] == expected
    assert http.get(path(mixed.batch_id, ".jsonl"), params={"status": "GONE"}).status_code == 400


def test_a_batch_of_several_portions_is_whole_and_in_order(shop: Shop, seller: Seller) -> None:
    batch_id = large_batch(shop, seller, 4_321)

    rows = table(seller.http.get(path(batch_id, ".csv")).text)

    codes = [row["ticket_code"] for row in rows]
    assert len(set(codes)) == len(codes) == 4_321
    assert codes == sorted(codes)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_what_a_spreadsheet_would_run_begins_with_an_apostrophe(start: str) -> None:
    assert harmless(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"
    assert harmless(f"a{start}") == f"a{start}"
    assert harmless("") == ""


@pytest.mark.parametrize("separator", [";", "|", "\t", "; ", "\n"])
def test_what_begins_a_cell_where_something_else_separates_is_neutralised_too(separator: str) -> None:
    assert harmless(f"Tour{separator}=1+1{separator}x") == f"Tour{separator}'=1+1{separator}x"
    assert harmless(f"Tour{separator}1=1") == f"Tour{separator}1=1"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "Tour;="])
def test_a_program_reads_each_value_and_no_spreadsheet_runs_one(
    shop: Shop, operator: Operator, tmp_path: Path, start: str
) -> None:
    name = f'{start}HYPERLINK("http://x.example");y'
    seller = shop.seller(name=name)
    batch_id = unique("-2-3")
    seller.tickets(1, batch_id=batch_id)

    def written(*more: str) -> Path:
        form = more[0]
        file = tmp_path / f"out.{form}"
        asked = ["--partner", seller.name, "--format", *more, "-o", str(file), "--json"]
        operator.shows("export", *asked, "--", batch_id)
        return file

    sheet = openpyxl.load_workbook(written("xlsx")).worksheets[0]
    exact = [
        table(seller.http.get(path(batch_id, ".csv")).text)[0],
        table(written("csv", "--plain").read_bytes().decode())[0],
        lines(seller.http.get(path(batch_id, ".jsonl")).text)[0],
        dict(zip(COLUMNS, [cell.value for cell in sheet[2]], strict=True)),
    ]
    for row in exact:
        assert (row["product_name"], row["batch_id"]) == (name, batch_id)
    assert all(cell.data_type != "f" for cell in sheet[2])
    # Edited, a cell of text stays one.
    assert {cell.number_format for cell in sheet[2] if cell.data_type == "s"} == {"@"}
    text = written("csv").read_bytes().decode("utf-8-sig")
    for separator in ",;":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            assert not [cell for cell in row if cell[:1] in set("=+-@")]
    assert table(text)[0]["batch_id"] == f"'{batch_id}"


def test_text_that_looks_like_a_number_or_a_day_is_text_in_a_workbook(
    shop: Shop, operator: Operator, tmp_path: Path
) -> None:
    for name in ("0123", "1762274285982", "2026-01-02", "1e5", "TRUE", "_x0041_", "a  b", "'b"):
        seller = shop.seller(name=name)
        batch_id = unique("0")
        seller.tickets(1, batch_id=batch_id)
        exported(operator, seller, batch_id, tmp_path / "out.xlsx")
        sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
        cells = dict(zip(COLUMNS, sheet[2], strict=True))
        # The reader leaves the format's own escape of "_" as it is.
        told = str(cells["product_name"].value).replace("_x005F_", "_")
        assert (told, cells["product_name"].data_type) == (name, "s")
        assert cells["batch_id"].value == batch_id


def test_the_command_writes_what_the_api_answers(mixed: Stack, operator: Operator, tmp_path: Path) -> None:
    for suffix, more in ((".csv", ["--plain"]), (".jsonl", [])):
        answered = mixed.seller.http.get(path(mixed.batch_id, suffix)).content
        file = tmp_path / f"out{suffix}"
        exported(operator, mixed.seller, mixed.batch_id, file, *more)
        asked = ["--partner", mixed.seller.name, "--format", suffix[1:], *more, "-o", "-"]

        assert file.read_bytes() == answered
        assert operator.shows("export", mixed.batch_id, *asked).encode() == answered
        assert not answered.startswith(BYTE_ORDER_MARK)


def test_a_table_for_a_spreadsheet_begins_with_a_byte_order_mark(
    mixed: Stack, operator: Operator, tmp_path: Path
) -> None:
    exported(operator, mixed.seller, mixed.batch_id, tmp_path / "out.csv")
    exported(operator, mixed.seller, mixed.batch_id, tmp_path / "none.csv", "--status", "USED")

    for file in ("out.csv", "none.csv"):
        raw = (tmp_path / file).read_bytes()
        assert raw.startswith(BYTE_ORDER_MARK + b"ticket_code,")
        assert raw.count(BYTE_ORDER_MARK) == 1
    asked = ["--partner", mixed.seller.name, "--format", "xlsx", "--plain", "-o", str(tmp_path / "x")]
    assert "plain: Only CSV" in operator.is_refused("export", mixed.batch_id, *asked)


@pytest.mark.parametrize("form", ["csv", "xlsx", "jsonl", "png", "pdf"])
def test_only_its_owner_can_read_a_file_that_opens_gates(
    mixed: Stack, operator: Operator, tmp_path: Path, form: str
) -> None:
    file = tmp_path / f"out.{form}"
    file.write_text("what everybody could read")
    file.chmod(0o666)

    operator.does("export", mixed.batch_id, "--partner", mixed.seller.name, "--format", form, "-o", str(file))

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_bytes() != b"what everybody could read"
    if form == "png":
        with zipfile.ZipFile(file) as archive:
            assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o600}


def run_measured(shop: Shop, seller: Seller, batch_id: str, file: Path) -> tuple[float, int]:
    """Seconds of the processor, and the most memory in bytes, of the command in a process of its own."""
    arguments = [sys.executable, "-m", "premade", "export", batch_id, "--partner", seller.name]
    process = subprocess.Popen(
        [*arguments, "--format", file.suffix[1:], "-o", str(file)],
        env=environment_for(shop.dsn),
        stdout=subprocess.DEVNULL,
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    # Not those of the clock: other tests use the machine too.
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


@pytest.mark.parametrize("form", ["csv", "jsonl", "xlsx"])
@pytest.mark.nightly
def test_memory_does_not_grow_with_the_batch_and_csv_is_quick(
    shop: Shop, seller: Seller, tmp_path: Path, form: str
) -> None:
    small, large = large_batch(shop, seller, 5_000), large_batch(shop, seller, LARGE)

    start, little = run_measured(shop, seller, small, tmp_path / f"small.{form}")
    seconds, much = run_measured(shop, seller, large, tmp_path / f"large.{form}")

    print(f"{form}: {seconds:.1f} s, {little / 2**20:.0f} and {much / 2**20:.0f} MiB")
    assert much - little < MEMORY_MORE_MAX_BYTES
    if form == "csv":
        assert seconds - start < CSV_SECONDS_MAX
    if form != "xlsx":
        assert (tmp_path / f"large.{form}").read_bytes().count(b"\n") == LARGE + (form == "csv")


def test_a_second_export_in_a_process_waits_and_is_then_refused(shop: Shop, seller: Seller) -> None:
    batch_id = large_batch(shop, seller, 3_000)
    wanted = TicketsToExport(seller.partner_id, batch_id)

    async def two_at_once(_: Database, runtime: Runtime) -> int:
        async with open_database(shop.dsn, connections_max=2) as wide:
            exports = Exports(wide, runtime, replace(LIMITS, read_wait_seconds_max=0.05))
            first = exports.pieces(CSV, wanted)
            await anext(first)
            with pytest.raises(ExportsBusy):
                await anext(exports.pieces(CSV, wanted))
            rest = [piece async for piece in first]
            again = [piece async for piece in exports.pieces(CSV, wanted)]
            return len(again) - len(rest)

    assert shop.operate(two_at_once) == 1


@pytest.mark.nightly
def test_on_a_terminal_a_bar_grows_and_is_gone_at_the_end(shop: Shop, seller: Seller, tmp_path: Path) -> None:
    batch_id, file = large_batch(shop, seller, 20_000), tmp_path / "out.xlsx"
    arguments = [sys.executable, "-m", "premade", "export", batch_id, "--partner", seller.name]

    process, first, terminal = on_a_terminal(
        shop, [*arguments, "--format", "xlsx", "-o", str(file)], r"\d/20000"
    )
    rest = read_until(terminal)
    os.close(terminal)

    assert process.stdout
    assert "20000" in process.stdout.read()
    assert process.wait(60) == 0
    shown = [int(written) for written in re.findall(r"(\d+)/20000", first + rest)]
    assert shown == sorted(shown)
    assert len(set(shown)) > 2
    assert "━" in first + rest
    # Transient: the last thing on the terminal is its line being cleared.
    assert rest.rstrip("\r\n").endswith("\x1b[2K")
    assert file.stat().st_size > 100_000


def test_what_the_operator_takes_out_is_in_the_record(
    operator: Operator, shop: Shop, mixed: Stack, tmp_path: Path
) -> None:
    exported(operator, mixed.seller, mixed.batch_id, tmp_path / "out.csv", "--status", "ACTIVE")
    operator.is_refused(
        "export", "NONE", "--partner", mixed.seller.name, "--format", "csv", "-o", str(tmp_path / "no")
    )

    rows = shop.sql(
        "SELECT actor, batch_id, data FROM audit_events WHERE event = 'batch.exported' AND partner_id = %s",
        mixed.seller.partner_id,
    )
    assert rows == [
        {"actor": COMMAND_ACTOR, "batch_id": mixed.batch_id, "data": {"format": "csv", "states": ["ACTIVE"]}}
    ]


def test_a_part_ends_where_the_next_begins_whatever_became_of_its_tickets(shop: Shop, mixed: Stack) -> None:
    def part(number: int, statuses: tuple[Status, ...] | None) -> list[str]:
        async def run(database: Database, runtime: Runtime) -> list[str]:
            wanted = TicketsToExport(mixed.seller.partner_id, mixed.batch_id, statuses)
            chosen = await part_of(database, wanted, number, 2)
            async with read_export(database, chosen) as export:
                return [row.ticket_code async for rows in export.portions for row in rows]

        return shop.operate(run)

    assert [part(1, None), part(2, None)] == [mixed.codes[:2], mixed.codes[2:]]
    assert [part(1, NOT_OVER), part(2, NOT_OVER)] == [mixed.codes[:2], mixed.codes[2:3]]
    with pytest.raises(PartUnknown):
        part(3, None)
