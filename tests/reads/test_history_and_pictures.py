"""What happened to a ticket, and its QR picture in any size."""

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
import zxingcpp
from PIL import Image
from support.shop import Seller, Shop, unique
from support.taking_back import cancel, cancel_batch

from premade.tickets import picture
from premade.tickets.code import Signer

TOKEN = Signer.of("K1", bytes(32)).token("CRUISE-2025-FERRY-1762274285982", 1)


def history_of(seller: Seller, code: str) -> list[dict[str, Any]]:
    """Each event without what it does not tell."""
    told = seller.http.get(f"/api/ota/tickets/{code}").json()["history"]
    return [{name: value for name, value in event.items() if value is not None} for event in told]


def record(shop: Shop, seller: Seller, event: str, code: str | None, batch: str | None, data: str) -> None:
    shop.sql(
        "INSERT INTO audit_events (partner_id, event, actor, ticket_code, batch_id, data, occurred_at) "
        "VALUES (%s, %s, 'test', %s, %s, %s::jsonb, clock_timestamp())",
        seller.partner_id,
        event,
        code,
        batch,
        data,
    )


def test_the_history_of_a_ticket_is_told_oldest_first(seller: Seller, shop: Shop) -> None:
    batch = unique("BATCH")
    code, other = seller.tickets(2, batch_id=batch)
    sale = seller.activate(code, payment_reference="PAY-1").json()
    left = '"status": "ACTIVE", "entitlements": []'
    reissued = f'{{"reason": "lost", "issue_number": 2, "signing_key_id": "K1", {left}}}'
    record(shop, seller, "ticket.reissued", code, None, reissued)
    redeemed = (
        '{"function_code": "ferry", "uses": 2, "device_id": "gate-3", "scan_id": "1", "entry": "scan",'
        f' "customer_name": "John", {left}}}'
    )
    record(shop, seller, "ticket.redeemed", code, None, redeemed)
    record(shop, seller, "ticket.redemption_conflict", code, None, "{}")

    told = history_of(seller, code)

    moments = [event.pop("occurred_at") for event in told]
    ticket = seller.http.get(f"/api/ota/tickets/{code}").json()
    assert moments == sorted(moments)
    assert moments[:2] == [ticket["created_at"], ticket["activated_at"]]
    assert told == [
        {"event": "ticket.generated"},
        {"event": "ticket.activated", "order_id": sale["order_id"], "payment_reference": "PAY-1"},
        {"event": "ticket.reissued", "reason": "lost", "issue_number": 2},
        {"event": "ticket.redeemed", "function_code": "ferry", "uses": 2, "device_id": "gate-3"},
    ]
    assert [event["event"] for event in history_of(seller, other)] == ["ticket.generated"]


def test_a_batch_that_is_cancelled_stands_once_in_the_history_of_each_ticket_that_it_ended(
    seller: Seller,
) -> None:
    batch = unique("BATCH")
    ended, alone, active = seller.tickets(3, batch_id=batch)
    seller.activate(active)
    cancel(seller, alone, "mine")
    cancel_batch(seller, batch, "all")

    def reasons(code: str) -> list[str | None]:
        return [
            event.get("reason") for event in history_of(seller, code) if event["event"] == "ticket.cancelled"
        ]

    assert (reasons(ended), reasons(alone), reasons(active)) == (["all"], ["mine"], [])


def read(image: Image.Image) -> str:
    # Of QR codes only: by chance a part of one looks like a bar code.
    [found] = zxingcpp.read_barcodes(
        np.array(image.convert("L")), formats=zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    )
    return found.text


def drawn(svg: str, module_pixels: int) -> Image.Image:
    """The picture that the rectangles of the path make."""
    found = re.search(r'viewBox="0 0 (\d+) (\d+)"', svg)
    assert found is not None
    dark = np.zeros((int(found[2]), int(found[1])), dtype=bool)
    [path] = re.findall(r'<path d="([^"]+)"/>', svg)
    assert re.fullmatch(r"(M\d+ \d+h\d+v1h-\d+z)+", path)
    for x, y, width, back in re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", path):
        assert width == back
        dark[int(y), int(x) : int(x) + int(width)] = True
    pixels = np.where(dark, 0, 255).astype(np.uint8).repeat(module_pixels, 0).repeat(module_pixels, 1)
    return Image.fromarray(pixels)


@pytest.mark.parametrize("module_pixels", [1, 2, 3, 4, 5, 8, 13, 40])
@pytest.mark.parametrize("margin_modules", [0, 1, 4, 7, 8, 20])
def test_another_library_reads_pictures_of_every_size(module_pixels: int, margin_modules: int) -> None:
    image = Image.open(io.BytesIO(picture.png(TOKEN, module_pixels, margin_modules)))
    vector = picture.svg(TOKEN, module_pixels, margin_modules).decode()
    side = (picture.SIDE_MODULES + 2 * margin_modules) * module_pixels

    assert (image.mode, image.size) == ("1", (side, side))
    assert f'width="{side}" height="{side}"' in vector
    from_path = drawn(vector, module_pixels)
    assert np.array_equal(np.array(image.convert("L")), np.array(from_path))
    # A reader wants light around the code and more than a pixel a module: what the picture leaves out is added.
    wide = side * max(1, 3 // module_pixels)
    grown = image.convert("L").resize((wide, wide), Image.Resampling.NEAREST)
    room = Image.new("L", (grown.width + 64, grown.height + 64), 255)
    room.paste(grown, (32, 32))
    assert read(room) == TOKEN


@pytest.mark.nightly
def test_a_margin_and_size_of_its_own_stand_in_every_picture() -> None:
    for module_pixels in range(1, picture.MODULE_PIXELS_MAX + 1, 3):
        for margin in range(picture.MARGIN_MODULES_MAX + 1):
            dark = ~np.array(Image.open(io.BytesIO(picture.png(TOKEN, module_pixels, margin))))
            rows, columns = np.nonzero(dark)
            ends = [margin * module_pixels, (margin + picture.SIDE_MODULES) * module_pixels - 1]
            assert [rows.min(), rows.max()] == [columns.min(), columns.max()] == ends


@pytest.mark.parametrize(("query", "side"), [("", 49 * 4), ("?module_pixels=10&margin_modules=2", 45 * 10)])
def test_a_ticket_s_picture_comes_as_png_and_svg(seller: Seller, query: str, side: int) -> None:
    [ticket] = seller.generate(1).json()["tickets"]
    png = seller.http.get(f"/api/ota/tickets/{ticket['ticket_code']}/qr.png{query}")
    svg = seller.http.get(f"/api/ota/tickets/{ticket['ticket_code']}/qr.svg{query}")

    assert (png.headers["content-type"], svg.headers["content-type"]) == ("image/png", "image/svg+xml")
    assert "x-request-id" in png.headers
    image = Image.open(io.BytesIO(png.content))
    assert image.size == (side, side)
    assert read(image) == read(drawn(svg.text, 4)) == ticket["qr_token"]


def word_under(image: Image.Image, module_pixels: int, margin_modules: int) -> str:
    """The letters under the code, as text of one character a module."""
    dark = ~np.array(image)[::module_pixels, ::module_pixels]
    side = picture.SIDE_MODULES + margin_modules
    assert not dark[side : side + picture.MARGIN_MODULES].any(), "the light margin of the code"
    rows = dark[side + picture.MARGIN_MODULES : dark.shape[0] - margin_modules]
    return "\n".join("".join(" #"[int(cell)] for cell in row).strip() for row in rows)


SAMPLE = """####  ###  #   # ####  #     #####
#     #   # ## ## #   # #     #
#     #   # # # # #   # #     #
###  ##### # # # ####  #     ####
# #   # #   # #     #     #
# #   # #   # #     #     #
####  #   # #   # #     ##### #####"""


@pytest.mark.parametrize(("module_pixels", "margin_modules"), [(4, 4), (1, 0), (5, 3), (8, 20), (3, 1)])
def test_the_picture_of_a_test_ticket_says_sample_under_the_same_code(
    module_pixels: int, margin_modules: int
) -> None:
    live = Image.open(io.BytesIO(picture.png(TOKEN, module_pixels, margin_modules)))
    sample = Image.open(io.BytesIO(picture.png(TOKEN, module_pixels, margin_modules, is_sample=True)))
    vector = picture.svg(TOKEN, module_pixels, margin_modules, is_sample=True).decode()

    code_ends = (picture.SIDE_MODULES + margin_modules) * module_pixels
    assert np.array_equal(np.array(live)[:code_ends], np.array(sample)[:code_ends])
    assert word_under(sample, module_pixels, margin_modules) == SAMPLE
    assert f'width="{sample.width}" height="{sample.height}"' in vector
    assert np.array_equal(np.array(sample.convert("L")), np.array(drawn(vector, module_pixels)))
    room = Image.new("L", (sample.width + 64, sample.height + 64), 255)
    room.paste(sample.convert("L"), (32, 32))
    assert module_pixels < 2 or read(room) == TOKEN


def test_every_picture_of_a_test_partner_says_sample_and_is_read_as_it_comes(shop: Shop) -> None:
    tester = shop.seller(is_test=True)
    [made] = tester.generate(1).json()["tickets"]
    code = made["ticket_code"]
    looked_at = tester.http.get(f"/api/ota/tickets/{code}").json()
    ordered = tester.order([code]).json()["tickets"][0]
    reissued = tester.http.post(f"/api/ota/tickets/{code}/reissue", json={"reason": "lost"}).json()
    fetched = tester.http.get(f"/api/ota/tickets/{code}/qr.png").content

    for token, png in [
        *(
            (each["qr_token"], base64.b64decode(each["qr_code"]))
            for each in (made, looked_at, ordered, reissued)
        ),
        (reissued["qr_token"], fetched),
    ]:
        image = Image.open(io.BytesIO(png))
        assert word_under(image, picture.MODULE_PIXELS, picture.MARGIN_MODULES) == SAMPLE
        assert read(image) == token


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("module_pixels", value) for value in ("0", "41", "x", "", "4.5", str(2**70))),
        *(("margin_modules", value) for value in ("-1", "21", "x", "1%00")),
    ],
)
def test_a_size_out_of_bounds_is_named(seller: Seller, kind: str, name: str, value: str) -> None:
    answer = seller.http.get(f"/api/ota/tickets/CRUISE-2025-FERRY-0000000000000/qr.{kind}?{name}={value}")

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [wrong["pointer"] for wrong in answer.json()["errors"]] == [f"query#/{name}"]


@pytest.mark.parametrize("code", ["CRUISE-2025-FERRY-0000000000000", "nothing", "%00", "%ED%A0%80"])
def test_there_is_no_picture_of_a_ticket_that_there_is_not(seller: Seller, code: str) -> None:
    for kind in ("png", "svg"):
        answer = seller.http.get(f"/api/ota/tickets/{code}/qr.{kind}")
        assert (answer.status_code, answer.json()["code"]) == (404, "TICKET_UNKNOWN")
