"""What stands on a card: names in any script, logos in any form, and the mark of a test partner's tickets."""

import io
import struct
import unicodedata
import zipfile
import zlib
from pathlib import Path

import pytest
from export.conftest import Stack
from export.test_printing import exported, logo, page_images, scanned, stack_of, tokens_of, words
from PIL import Image
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.export.letters import unprintable
from premade.export.logo import read_logo
from premade.runtime.errors import Invalid

RED, WHITE = (200, 0, 0), (255, 255, 255)
PRINTABLE = [
    "Île d'Orléans · Ferry 维多利亚港 · Паром «Чайка»",
    unicodedata.normalize("NFD", "Vịnh Hạ Long, Đường Nguyễn"),
    unicodedata.normalize("NFD", "한강유람"),
    "ガイドｶﾞ きんかく 觀光渡輪 𠮷",
    "№ 5 – „Tour“ ½ € ₹ … ①",
    "İstanbul Ακρόπολη",
    "a\u200cb\u00adc\u00a0d\u3000e",
]
UNPRINTABLE = {
    "हार्बर": "ह",
    "मराठी": "म",
    "नेपाली": "न",
    "ไทย": "ไ",
    "بحر": "ب",
    "שלום": "ש",
    "বাংলা": "ব",
    "தமிழ்": "த",
    "ខ្មែរ": "ខ",
    "မြန်မာ": "မ",
    "བོད": "བ",
    "👨\u200d👩\u200d👧 Family": "👨",
    "Ferry ⛴\ufe0f": "⛴",
    "1\ufe0f\u20e3": "1\u20e3",
    "Ёлка и\u0301": "и\u0301",
    "ẹ\u0301": "ẹ\u0301",
    "Երևան": "Ե",
    "١٢٣": "١",
    "a\u202eb": "\u202e",
    "\u1112\u119e": "\u1112",
}


@pytest.fixture
def operator(shop: Shop) -> Operator:
    return Operator(shop.dsn)


@pytest.mark.parametrize("name", PRINTABLE)
def test_letters_that_stand_by_themselves_are_printed(name: str) -> None:
    assert unprintable(name) == ()


@pytest.mark.parametrize("name", list(UNPRINTABLE))
def test_letters_that_would_come_out_in_wrong_shapes_are_named(name: str) -> None:
    assert UNPRINTABLE[name] in unprintable(name)


@pytest.mark.nightly
def test_the_command_names_what_it_cannot_print_and_prints_another_name(
    shop: Shop, operator: Operator, tmp_path: Path
) -> None:
    seller = shop.seller(name="Ferry हार्बर")
    stack = stack_of(seller, 2)
    file = tmp_path / "out.pdf"
    asked = ["--partner", seller.name, "--format", "pdf", "-o", str(file)]

    told = operator.is_refused("export", stack.batch_id, *asked)
    assert "ह (U+0939)" in told
    assert "--name" in told
    assert "ब" in operator.is_refused("export", stack.batch_id, *asked, "--name", "ब")
    assert not file.exists()

    exported(operator, stack, file, "--name", "Ferry Harbour")
    assert words(file).count("Ferry Harbour") == 2
    # Nothing else needs the name to be drawn.
    assert exported(operator, stack, tmp_path / "out.zip")["tickets"] == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("\u200b\u3164", "at least one visible character"),
        ("Ferry \u202egnat", "RIGHT-TO-LEFT OVERRIDE (U+202E), its character 7"),
        ("Ferry\nTour", "LINE FEED (U+000A)"),
        ("F" * 201, "1 to 200 characters"),
        ("", "1 to 200 characters"),
    ],
)
def test_a_name_for_the_sheets_is_a_name_like_others(
    mixed: Stack, operator: Operator, tmp_path: Path, name: str, why: str
) -> None:
    file = tmp_path / "out.pdf"
    asked = ["--partner", mixed.seller.name, "--format", "pdf", "-o", str(file), "--name", name]

    assert why in operator.is_refused("export", mixed.batch_id, *asked)
    assert not file.exists()


def test_a_name_for_the_sheets_is_trimmed_and_composed(
    mixed: Stack, operator: Operator, tmp_path: Path
) -> None:
    file = tmp_path / "out.pdf"
    exported(operator, mixed, file, "--name", "\u00a0Cafe\u0301\u200b Tour \u200e")

    assert "Caf\u00e9 Tour" in words(file)


@pytest.mark.parametrize("per_page", ["10", "24"])
@pytest.mark.nightly(but_first=True)
def test_the_longest_code_stands_on_one_line(
    shop: Shop, operator: Operator, tmp_path: Path, per_page: str
) -> None:
    seller = shop.seller(name="Ferry", code_prefix="W" * 12, ticket_type="M" * 12)
    stack = stack_of(seller, 2)
    exported(operator, stack, tmp_path / "out.pdf", "--per-page", per_page)

    lines = words(tmp_path / "out.pdf").splitlines()
    assert [line for line in lines if line in stack.codes] == stack.codes
    assert [line for line in lines if line.endswith(f" from {stack.codes[0]}")]
    assert scanned(page_images(tmp_path / "out.pdf")[0]) == tokens_of(stack)


@pytest.mark.parametrize("per_page", ["10", "24"])
@pytest.mark.parametrize("paper", ["a4", "letter"])
@pytest.mark.nightly(but_first=True)
def test_each_card_of_a_test_partner_says_sample_and_its_qr_is_read(
    shop: Shop, operator: Operator, tmp_path: Path, paper: str, per_page: str
) -> None:
    tester = shop.seller(name="Harbour Cruise Premium with Dinner and Music", is_test=True, usable_days=30)
    stack = stack_of(tester, 3, valid_until="2099-03-31")
    more = ["--paper", paper, "--per-page", per_page, "--logo", str(logo(tmp_path))]
    exported(operator, stack, tmp_path / "out.pdf", *more)

    told = words(tmp_path / "out.pdf")
    assert told.count("SAMPLE") == told.count("Not valid") == 3
    assert told.count("Last day of sale: 2099-03-31") == 3
    [page] = page_images(tmp_path / "out.pdf")
    assert scanned(page) == tokens_of(stack)
    exported(operator, stack, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        width, height = Image.open(io.BytesIO(archive.read(archive.namelist()[0]))).size
    # The word stands under the code.
    assert height > width


def test_no_card_of_a_live_partner_says_sample(seller: Seller, operator: Operator, tmp_path: Path) -> None:
    exported(operator, stack_of(seller, 1), tmp_path / "out.pdf")

    assert "SAMPLE" not in words(tmp_path / "out.pdf")


# --- Logos ---


def picture() -> Image.Image:
    """Red at the left, white at the right."""
    made = Image.new("RGB", (300, 100), WHITE)
    made.paste(RED, (0, 0, 150, 100))
    return made


def looks(file: Path) -> tuple[tuple[int, int], tuple[int, ...], tuple[int, ...]]:
    """The size of the logo, and the colours near its upper left and lower right corners, on white paper."""
    drawn = read_logo(file)
    paper = Image.new("RGBA", drawn.size, WHITE)
    paper.alpha_composite(drawn)
    width, height = drawn.size
    left, right = paper.getpixel((width // 20, 9)), paper.getpixel((width - 9, height - 9))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    return drawn.size, left[:3], right[:3]


def is_red(colour: tuple[int, ...]) -> bool:
    return all(abs(one - other) < 12 for one, other in zip(colour, RED, strict=True))


_STORED_AS = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
"""How a picture lies in its file, for each orientation that EXIF knows; as Pillow numbers it."""


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("orientation", list(_STORED_AS))
def test_a_logo_stands_upright_however_it_lies_in_its_file(
    tmp_path: Path, orientation: int, suffix: str
) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    turn = _STORED_AS[orientation]
    lying = picture() if turn is None else picture().transpose(Image.Transpose(turn))
    lying.save(tmp_path / f"logo.{suffix}", exif=exif)

    size, left, right = looks(tmp_path / f"logo.{suffix}")

    assert (size, is_red(left), right) == ((300, 100), True, WHITE)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, colour: int, row: bytes, *between: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    drawn = zlib.compress((b"\0" + row) * min(height, 1000))
    end = [chunk(b"IDAT", drawn), chunk(b"IEND", b"")]
    return b"".join([b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *between, *end])


def sixteen_bits(*levels: int) -> bytes:
    return struct.pack(f">{len(levels)}H", *levels)


GREY = (78, 78, 78)
SIXTEEN_BITS = {
    "grey": png(60, 40, 16, 0, sixteen_bits(*[20_000] * 30, *[65_535] * 30)),
    "grey with alpha": png(60, 40, 16, 4, sixteen_bits(*[20_000, 65_535] * 30, *[0, 0] * 30)),
    "grey of which one is transparent": png(
        60, 40, 16, 0, sixteen_bits(*[20_000] * 30, *[40_000] * 30), chunk(b"tRNS", sixteen_bits(40_000))
    ),
    "colours": png(60, 40, 16, 2, sixteen_bits(*[20_000] * 90, *[65_535] * 90)),
}


@pytest.mark.parametrize("kind", list(SIXTEEN_BITS))
def test_a_logo_of_sixteen_bits_is_as_dark_as_it_is(tmp_path: Path, kind: str) -> None:
    (tmp_path / "logo.png").write_bytes(SIXTEEN_BITS[kind])

    size, left, right = looks(tmp_path / "logo.png")

    assert size == (60, 40)
    assert all(abs(one - other) < 3 for one, other in zip(left, GREY, strict=True))
    assert right == WHITE


def test_logos_of_other_kinds_are_shown_in_their_colours(tmp_path: Path) -> None:
    picture().convert("CMYK").save(tmp_path / "cmyk.jpg")
    paletted = picture().convert("P")
    paletted.save(tmp_path / "palette.png", transparency=paletted.getpixel((250, 50)))
    picture().save(tmp_path / "moving.png", save_all=True, append_images=[Image.new("RGB", (300, 100))])
    picture().convert("RGBA").save(tmp_path / "alpha.png")
    for name in ("cmyk.jpg", "palette.png", "moving.png", "alpha.png"):
        size, left, right = looks(tmp_path / name)
        assert (size, is_red(left), right) == ((300, 100), True, WHITE), name
    for mode in ("LA", "L", "1"):
        picture().convert(mode, dither=Image.Dither.NONE).save(tmp_path / f"{mode}.png")
        _, left, right = looks(tmp_path / f"{mode}.png")
        assert max(left) < 100, mode
        assert right == WHITE, mode


def _truncated(form: str) -> bytes:
    file = io.BytesIO()
    picture().resize((900, 300)).save(file, form)
    return file.getvalue()[: len(file.getvalue()) // 2]


def _saved(form: str) -> bytes:
    file = io.BytesIO()
    picture().save(file, form, save_all=True, append_images=[Image.new("RGB", (300, 100))])
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not a PNG or JPEG"),
        (b"<svg/>", "is not a PNG or JPEG"),
        (_saved("GIF"), "is not a PNG or JPEG"),
        (_saved("WEBP"), "is not a PNG or JPEG"),
        (_truncated("PNG"), "truncated"),
        (_truncated("JPEG"), "truncated"),
        (png(30_000, 30_000, 8, 2, b""), "too many pixels"),
        (png(9_000, 9_000, 8, 2, b""), "too many pixels: 9000 x 9000"),
        (_saved("PNG")[:33] + chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 10**8)), "too large"),
    ],
    ids=["empty", "svg", "gif", "webp", "half a png", "half a jpeg", "bomb", "huge", "text bomb"],
)
def test_a_file_that_is_no_logo_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "logo.png").write_bytes(content)

    with pytest.raises(Invalid) as refused:
        read_logo(tmp_path / "logo.png")

    [error] = refused.value.errors
    assert why in error.detail


def test_the_command_says_what_is_wrong_with_a_logo(mixed: Stack, operator: Operator, tmp_path: Path) -> None:
    (tmp_path / "logo.png").write_text("<svg/>")
    asked = ["--partner", mixed.seller.name, "--format", "pdf", "-o", str(tmp_path / unique("out"))]

    told = operator.is_refused("export", mixed.batch_id, *asked, "--logo", str(tmp_path / "logo.png"))

    assert "logo.png is not a PNG or JPEG" in told
