"""Printable sheets and pictures: read back by other libraries, as a printer and a scanner would."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from export.conftest import NAME, Stack
from PIL import Image, ImageChops
from support.service import environment_for
from support.shop import Seller, Shop, unique
from support.taking_back import reissue
from support.terminal import Operator
from typer.testing import CliRunner

from premade.cli import app
from premade.export import as_sheets
from premade.export.layout import CARDS, PaperSize

SIZES_POINTS = {"a4": (595.3, 841.9), "letter": (612.0, 792.0)}
SCANNED_AT = 2
"""Pixels a point: 144 dots an inch."""
TICKETS = 27


@pytest.fixture
def operator(shop: Shop) -> Operator:
    return Operator(shop.dsn)


def exported(operator: Operator, stack: Stack, file: Path, *more: str) -> dict[str, Any]:
    form = {".zip": "png"}.get(file.suffix, file.suffix[1:])
    asked = ["--partner", stack.seller.name, "--format", form, "-o", str(file)]
    return operator.does("export", stack.batch_id, *asked, *more)


def stack_of(seller: Seller, quantity: int = TICKETS, **more: Any) -> Stack:
    batch_id = unique("SHEETS")
    return Stack(seller, batch_id, seller.tickets(quantity, batch_id=batch_id, **more))


def tokens_of(stack: Stack) -> list[str]:
    items = stack.seller.http.get("/api/ota/tickets", params={"batch_id": stack.batch_id}).json()["items"]
    return [item["qr_token"] for item in sorted(items, key=lambda item: item["ticket_code"])]


def page_images(file: Path) -> list[Image.Image]:
    pages = pypdfium2.PdfDocument(file)
    return [pages[number].render(scale=SCANNED_AT).to_pil() for number in range(len(pages))]


def scanned(image: Image.Image) -> list[str]:
    """The texts of all QR codes, in the order of reading: row by row."""
    codes = zxingcpp.read_barcodes(
        image, formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCodeModel2)
    )
    assert all(code.valid for code in codes)
    in_order: list[zxingcpp.Barcode] = []
    row: list[zxingcpp.Barcode] = []
    for code in sorted(codes, key=lambda code: code.position.top_left.y):
        if row and code.position.top_left.y > row[0].position.bottom_left.y:
            in_order += sorted(row, key=lambda code: code.position.top_left.x)
            row = []
        row.append(code)
    in_order += sorted(row, key=lambda code: code.position.top_left.x)
    return [code.text for code in in_order]


def words(file: Path) -> str:
    pages = pypdfium2.PdfDocument(file)
    return "\n".join(pages[number].get_textpage().get_text_range() for number in range(len(pages)))


def logo(folder: Path) -> Path:
    Image.new("RGBA", (300, 100), (200, 0, 0, 255)).save(folder / "logo.png")
    return folder / "logo.png"


@pytest.mark.parametrize("per_page", [10, 24])
@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.nightly(but_first=True)
def test_every_qr_of_a_sheet_is_read_back(
    named_seller: Seller, operator: Operator, tmp_path: Path, paper: str, per_page: int
) -> None:
    stack, file = stack_of(named_seller), tmp_path / "out.pdf"

    done = exported(
        operator,
        stack,
        file,
        "--paper",
        paper,
        "--per-page",
        str(per_page),
        "--logo",
        str(logo(tmp_path)),
    )

    assert done == {"files": [str(file)], "tickets": TICKETS}
    assert pypdfium2.PdfDocument(file)[0].get_size() == pytest.approx(SIZES_POINTS[paper], abs=0.1)
    read = [scanned(image) for image in page_images(file)]
    assert [len(page) for page in read] == [per_page] * (TICKETS // per_page) + [TICKETS % per_page]
    assert [text for page in read for text in page] == tokens_of(stack)


@pytest.mark.nightly
def test_a_card_says_in_type_what_it_is(named_seller: Seller, operator: Operator, tmp_path: Path) -> None:
    stack = stack_of(named_seller, 2, valid_until="2099-03-31")
    assert named_seller.activate(stack.codes[1]).status_code == 200
    usable_until = named_seller.http.get(f"/api/ota/tickets/{stack.codes[1]}").json()["usable_until"]

    exported(operator, stack, tmp_path / "out.pdf")
    told = words(tmp_path / "out.pdf")

    for code in stack.codes:
        assert code in told.splitlines()
    unbroken = told.replace("\r\n", "")
    for text in ("Île d'Orléans", "维多利亚港", "Паром", "ferry × 2, gift × 1, tokens × 10", stack.batch_id):
        assert text in unbroken
    assert told.count("Last day of sale: 2099-03-31") == 2
    assert told.count("To be used within 30 days after") == 1
    assert told.count(f"Last day of use: {usable_until}") == 1


def name_on_card(shop: Shop, operator: Operator, folder: Path, name: str) -> Image.Image:
    """The picture of the product's name."""
    seller = shop.seller(name=name)
    batch_id = unique("NAME")
    seller.tickets(1, batch_id=batch_id)
    file = folder / "name.pdf"
    done = operator.run(
        "export", batch_id, "--partner", seller.name, "--format", "pdf", "-o", str(file)
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    card, points = CARDS[PaperSize.A4, 10], 72 / 25.4
    left = ((210 - 2 * card.width_mm) / 2 + card.text_left_mm) * points * SCANNED_AT
    top = ((297 - 5 * card.height_mm) / 2 + card.padding_mm) * points * SCANNED_AT
    right = left + card.text_width_mm * points * SCANNED_AT
    bottom = top + 1.4 * card.name_points * SCANNED_AT
    [page] = page_images(file)
    return page.crop((left, top, right, bottom)).convert("L")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("港澳游船", "维多利亚"),
        ("觀光渡輪", "維多利亞"),
        ("Паром", "Чайка"),
        ("éèêë", "ñãõü"),
        ("한강유람", "부산여객"),
        ("きんかく", "おおさか"),
    ],
)
@pytest.mark.nightly
def test_letters_of_these_scripts_are_drawn_and_not_boxes(
    shop: Shop, operator: Operator, tmp_path: Path, one: str, other: str
) -> None:
    first = name_on_card(shop, operator, tmp_path, one)
    second = name_on_card(shop, operator, tmp_path, other)

    assert min(first.tobytes()) < 100
    assert ImageChops.difference(first, second).getbbox() is not None


@pytest.mark.nightly
def test_every_font_is_embedded_and_cut_to_what_is_needed(
    named_seller: Seller, operator: Operator, tmp_path: Path
) -> None:
    file = tmp_path / "out.pdf"
    exported(operator, stack_of(named_seller, 100), file)

    raw = file.read_bytes()
    assert (
        raw.count(b"/FontFile2") == raw.count(b"/FontDescriptor /") + raw.count(b"/Type /FontDescriptor") > 2
    )
    assert len(raw) < 250_000


@pytest.mark.nightly
def test_tickets_that_are_over_are_not_printed_unless_asked_for(
    mixed: Stack, operator: Operator, tmp_path: Path
) -> None:
    tokens = tokens_of(mixed)

    exported(operator, mixed, tmp_path / "out.pdf")
    exported(operator, mixed, tmp_path / "over.pdf", "--status", "CANCELLED")

    assert scanned(page_images(tmp_path / "out.pdf")[0]) == tokens[:3]
    assert scanned(page_images(tmp_path / "over.pdf")[0]) == tokens[3:]
    asked = [
        "--partner",
        mixed.seller.name,
        "--format",
        "pdf",
        "-o",
        str(tmp_path / "none.pdf"),
        "--status",
        "USED",
    ]
    assert "no ticket in the state USED" in operator.is_refused("export", mixed.batch_id, *asked)
    assert not (tmp_path / "none.pdf").exists()


@pytest.mark.nightly
def test_a_large_batch_is_several_files(
    named_seller: Seller, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert as_sheets.TICKETS_A_FILE_MAX == 5_000
    monkeypatch.setattr(as_sheets, "TICKETS_A_FILE_MAX", 12)
    monkeypatch.setenv("DATABASE_URL", dsn)
    stack = stack_of(named_seller, 24)

    asked = ["--partner", stack.seller.name, "--format", "pdf", "-o", str(tmp_path / "out.pdf")]
    done = CliRunner().invoke(app, ["export", stack.batch_id, *asked])

    assert done.exit_code == 0, done.output
    files = [tmp_path / "out-1.pdf", tmp_path / "out-2.pdf"]
    assert sorted(tmp_path.iterdir()) == files
    read = [[text for image in page_images(file) for text in scanned(image)] for file in files]
    tokens = tokens_of(stack)
    assert read == [tokens[:12], tokens[12:]]


def test_the_logo_is_on_every_card(named_seller: Seller, operator: Operator, tmp_path: Path) -> None:
    stack = stack_of(named_seller, 3)
    exported(operator, stack, tmp_path / "out.pdf", "--logo", str(logo(tmp_path)))

    [page] = page_images(tmp_path / "out.pdf")
    red = sum(count for count, colour in page.convert("RGB").getcolors(2**20) or [] if colour == (200, 0, 0))
    width, height = 27 / 25.4 * 72 * SCANNED_AT, 9 / 25.4 * 72 * SCANNED_AT
    assert red == pytest.approx(3 * width * height, rel=0.05)


def test_pictures_come_in_one_zip(mixed: Stack, operator: Operator, tmp_path: Path) -> None:
    assert reissue(mixed.seller, mixed.codes[0]).status_code == 200

    done = exported(operator, mixed, tmp_path / "out.zip")

    assert done["tickets"] == 3
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{code}.png" for code in mixed.codes[:3]]
        read = [scanned(Image.open(io.BytesIO(archive.read(name)))) for name in archive.namelist()]
    assert read == [[token] for token in tokens_of(mixed)[:3]]
    assert ":2:" in read[0][0]


@pytest.mark.nightly(but_first=True)
@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--per-page", "12"], "per-page: Must be 10 or 24"),
        (["--logo", "/nowhere/logo.png"], "logo: /nowhere/logo.png"),
        (["-o", "-"], "output: Sheets can be several files"),
        (["-o", "/nowhere/out.pdf"], "output: /nowhere cannot be written"),
        (["-o", "/tmp"], "output: /tmp is a folder"),
        (["--format", "csv", "-o", "{pipe}"], "pipe cannot be replaced"),
        (["--format", "csv", "--logo", "a.png"], "logo: Only printable sheets"),
        (["--partner", "b\udcff"], "is not valid UTF-8"),
    ],
)
def test_what_cannot_be_done_is_said(
    mixed: Stack, operator: Operator, tmp_path: Path, more: list[str], told: str
) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    asked = ["--partner", mixed.seller.name, "--format", "pdf", "-o", str(tmp_path / "out.pdf")]
    asked += [argument.replace("{pipe}", str(pipe)) for argument in more]

    assert told in operator.is_refused("export", mixed.batch_id, *asked)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(
    mixed: Stack, operator: Operator, tmp_path: Path
) -> None:
    (there := tmp_path / "there.csv").write_text("old")
    (link := tmp_path / "link.csv").symlink_to(there)

    exported(operator, mixed, link)

    assert link.is_symlink()
    assert there.read_text(encoding="utf-8-sig").startswith("ticket_code,")


@pytest.mark.parametrize("form", ["csv", "xlsx", "png", "pdf"])
@pytest.mark.nightly(but_first=True)
def test_a_disk_that_is_full_leaves_what_was_there_and_nothing_half_written(
    named_seller: Seller, dsn: str, tmp_path: Path, form: str
) -> None:
    stack, file = stack_of(named_seller, 100), tmp_path / f"out.{form}"
    file.write_text("the one before")
    asked = ["--partner", stack.seller.name, "--format", form, "-o", str(file)]

    # A file of this process may have 4 blocks of 512 or 1,024 bytes.
    command = [sys.executable, "-m", "premade", "export", stack.batch_id, *asked]
    done = subprocess.run(
        ["sh", "-c", 'ulimit -f 4; exec "$@"', "sh", *command],
        env=environment_for(dsn), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr == f"premade: {file} could not be written: File too large\n"
    assert file.read_text() == "the one before"
    assert list(tmp_path.iterdir()) == [file]


def test_the_name_in_the_fixture_has_all_three_scripts() -> None:
    assert {"é", "维", "П"} <= set(NAME)


@pytest.mark.nightly
def test_however_much_a_ticket_is_good_for_its_last_days_are_on_the_card(
    shop: Shop, operator: Operator, tmp_path: Path
) -> None:
    functions = {f"a_function_with_a_long_name_{number}": 1 for number in range(20)}
    seller = shop.seller(
        functions=functions, usable_days=30, ticket_type="HARBOURFERRY", code_prefix="WWWWWWMMMMMM"
    )
    stack = stack_of(seller, 1, valid_until="2099-03-31")

    for paper in ("a4", "letter"):
        for per_page in ("10", "24"):
            file = tmp_path / f"{paper}-{per_page}.pdf"
            exported(operator, stack, file, "--paper", paper, "--per-page", per_page)
            told = words(file)
            assert "Last day of sale: 2099-03-31" in told
            assert "days after" in told
            assert "a_function_with_a_long_name_0" in told
