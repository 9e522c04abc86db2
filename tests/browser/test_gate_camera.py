"""Codes before the camera of the gate page: Chromium's fake camera shows pictures that were made here."""

import base64
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zxingcpp
from browser.gate_page import GATE, at_gate, uses_of
from gate.conftest import sold
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect
from support.chromium import launched
from support.shop import Seller, Shop

from premade.tickets.picture import png

__all__ = ["at_gate"]

GREY = 150
SIZE = (640, 480)
Watch = Callable[[Image.Image], Page]


def code(text: str, side: int = 300) -> Image.Image:
    return Image.open(io.BytesIO(png(text))).convert("L").resize((side, side))


def scene(*placed: tuple[Image.Image, tuple[int, int]]) -> Image.Image:
    picture = Image.new("L", SIZE, GREY)
    for image, place in placed:
        picture.paste(image, place)
    return picture


def tilted(image: Image.Image, by: float) -> Image.Image:
    """Seen from the side: the left edge is shorter by twice `by`, and nearer to the right one."""
    side = image.size[0]
    away = by * side
    # Of each corner of the picture, where it lies in the code's own plane.
    corners = [(away, away / 2), (side - away, 0), (side, side), (0, side - away / 2)]
    rows: list[list[float]] = []
    for (x, y), (u, v) in zip(corners, [(0, 0), (side, 0), (side, side), (0, side)], strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, u], [0, 0, 0, x, y, 1, -v * x, -v * y, v]]
    return image.transform(
        image.size, Image.Transform.PERSPECTIVE, _solved(rows), Image.Resampling.BICUBIC, fillcolor=GREY
    )


def _solved(rows: list[list[float]]) -> list[float]:
    """The unknowns of so many linear equations, each row with its right side last (Gauss)."""
    size = len(rows)
    for place in range(size):
        pivot = max(range(place, size), key=lambda row: abs(rows[row][place]))
        rows[place], rows[pivot] = rows[pivot], rows[place]
        rows[place] = [value / rows[place][place] for value in rows[place]]
        for row in range(size):
            if row != place:
                factor = rows[row][place]
                rows[row] = [a - factor * b for a, b in zip(rows[row], rows[place], strict=True)]
    return [row[-1] for row in rows]


@pytest.fixture
def watch(browser: Browser, shop: Shop, at_gate: Any, tmp_path: Path) -> Iterator[Watch]:
    """Shows a picture to the camera of somebody at the gate page, whose gate is for the ferry."""
    opened: list[Browser] = []

    def begin(picture: Image.Image) -> Page:
        film = tmp_path / "film.mjpeg"
        with film.open("wb") as frames:
            for _ in range(3):
                picture.convert("RGB").save(frames, "JPEG", quality=70)
        state = at_gate().page.context.storage_state()
        flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        with_film = launched(browser.browser_type, *flags, f"--use-file-for-fake-video-capture={film}")
        opened.append(with_film)
        page = with_film.new_context(storage_state=state, viewport={"width": 360, "height": 740}).new_page()
        page.goto(f"{shop.url}{GATE}")
        page.get_by_role("button", name="Start the camera").click()
        return page

    yield begin
    for each in opened:
        each.close()


@pytest.mark.nightly
def test_a_picture_before_the_camera_is_read_and_used_once(watch: Watch, shop: Shop, seller: Seller) -> None:
    [ticket] = sold(seller)

    page = watch(scene((code(ticket.qr).rotate(9, expand=True, fillcolor=GREY), (140, 70))))

    answer = page.locator("#answer")
    expect(answer).to_contain_text("Let in")
    # Still in view: no doubt is cast on the guest, and nothing more is used.
    page.wait_for_timeout(1_000)
    expect(answer).to_have_class(re.compile(r"^answer yes"))
    expect(page.locator("#last li")).to_have_count(1)
    assert len(uses_of(shop, ticket)) == 1


@pytest.mark.parametrize("seen", ["mirrored", "tilted by .15", "tilted by .2"])
@pytest.mark.nightly
def test_a_code_that_is_seen_mirrored_or_tilted_is_read(watch: Watch, seller: Seller, seen: str) -> None:
    [ticket] = sold(seller)
    image = code(ticket.qr, 360)
    image = (
        ImageOps.mirror(image) if seen == "mirrored" else tilted(image, float(seen.rsplit(maxsplit=1)[-1]))
    )

    page = watch(scene((image, (140, 60))))

    expect(page.locator("#answer")).to_contain_text(ticket.code)
    expect(page.locator("#answer")).to_have_class(re.compile(r"^answer yes"))


@pytest.mark.nightly
def test_of_several_codes_ours_is_taken_and_outlined(watch: Watch, shop: Shop, seller: Seller) -> None:
    [ticket] = sold(seller)
    wifi = code("WIFI:S:harbour;T:WPA;P:secret-of-the-harbour-office-and-more;;", 200)

    page = watch(scene((wifi, (220, 140)), (code(ticket.qr, 200), (430, 260))))

    expect(page.locator("#answer")).to_contain_text(ticket.code)
    expect(page.locator("#outline")).to_have_class("shown")
    points = page.locator("#outline polygon").get_attribute("points") or ""
    corners = [tuple(map(float, corner.split(","))) for corner in points.split()]
    assert len(corners) == 4
    assert all(430 <= x <= 630 and 260 <= y <= 460 for x, y in corners), corners


@pytest.mark.nightly
def test_of_two_tickets_side_by_side_only_one_is_taken(watch: Watch, shop: Shop, seller: Seller) -> None:
    tickets = sold(seller, 2)

    page = watch(scene((code(tickets[0].qr, 220), (60, 120)), (code(tickets[1].qr, 220), (350, 120))))

    expect(page.locator("#answer")).to_contain_text("Let in")
    page.wait_for_timeout(1_500)
    assert sorted(len(uses_of(shop, ticket)) for ticket in tickets) == [0, 1]


@pytest.mark.nightly
def test_a_code_of_others_shows_nothing_of_what_it_says(watch: Watch) -> None:
    page = watch(scene((code("WIFI:S:harbour;T:WPA;P:secret;;"), (160, 90))))

    expect(page.locator("#answer")).to_contain_text("not from this service")
    for text in ("WIFI", "harbour", "secret"):
        expect(page.locator("#main")).not_to_contain_text(text)
    page.wait_for_timeout(1_000)
    expect(page.locator("#last li")).to_have_count(1)


DECODED = """async (picture) => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(picture), (byte) => byte.charCodeAt(0))]));
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
    context.drawImage(bitmap, 0, 0);
    const decoder = new Worker(new URL("decoder.mjs", document.querySelector("script").src), { type: "module" });
    const next = () => new Promise((resolve) => decoder.addEventListener("message", ({ data }) => resolve(data), { once: true }));
    await next();
    const { data, width, height } = context.getImageData(0, 0, bitmap.width, bitmap.height);
    decoder.postMessage({ data, width, height });
    const { found } = await next();
    return found.map(({ text }) => text);
}"""


@pytest.mark.nightly
def test_what_looks_like_a_micro_qr_code_is_none(at_gate: Any, seller: Seller) -> None:
    """The reader sometimes sees one in a corner of a QR code; a gate must not be red for that."""
    sold(seller)
    micro = zxingcpp.create_barcode("1120", zxingcpp.BarcodeFormat.MicroQRCode)
    drawn = Image.fromarray(np.array(zxingcpp.write_barcode_to_image(micro, scale=8)))
    picture = io.BytesIO()
    scene((drawn, (40, 40)), (code("WIFI:S:harbour;;", 200), (300, 200))).save(picture, "PNG")

    found = at_gate().page.evaluate(DECODED, base64.b64encode(picture.getvalue()).decode())

    assert found == ["WIFI:S:harbour;;"]


def test_only_the_decoder_may_compile_what_is_no_script(shop: Shop) -> None:
    with shop.client() as client:
        version = re.findall(r'"version":"([0-9a-f]{16})"', client.get(f"{GATE}/worker.js").text)[0]
        policies = {
            name: client.get(f"{GATE}/files/{version}/{name}").headers["content-security-policy"]
            for name in ("decoder.mjs", "gate.mjs", "zxing-wasm/reader/index.js")
        }
        wasm = client.get(f"{GATE}/files/{version}/zxing-wasm/reader/zxing_reader.wasm")
    assert {name for name, policy in policies.items() if "wasm-unsafe-eval" in policy} == {"decoder.mjs"}
    assert wasm.headers["content-type"] == "application/wasm"
