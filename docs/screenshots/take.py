"""`make screenshots`: the pictures of the console in the README, taken of a fresh `premade demo`."""

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, Page, ViewportSize, sync_playwright
from support.chromium import launched

FOLDER = Path(__file__).parent
DESK: ViewportSize = {"width": 1200, "height": 800}
TALL: ViewportSize = {"width": 1200, "height": 1250}
PHONE: ViewportSize = {"width": 390, "height": 780}
COLOURS_MAX = 128
BYTES_MAX = 1_000_000
"""All of them together."""
STOP_SECONDS_MAX = 60
TEST_PARTNER = "Demo Test OTA"


@dataclass(frozen=True)
class Demo:
    """What a running demo tells of itself."""

    url: str
    name: str
    password: str
    ticket_code: str
    qr_token: str


@contextmanager
def running_demo() -> Generator[Demo]:
    """A demo with data of its own, ended with the block."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PREMADE_DATA_DIR": folder}
        environment.pop("DATABASE_URL", None)
        command = [sys.executable, "-m", "premade", "demo", "--port", "0"]
        process = subprocess.Popen(
            command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            assert process.stdout
            told = ""
            for line in process.stdout:
                told += line
                if "premade serves at" in line:
                    break
            yield Demo(
                url=_found(r"premade serves at (\S+)", told),
                name=_found(r"^name +(\S+)", told),
                password=_found(r"^password +(\S+)", told),
                ticket_code=_found(r"^(CRUISE-\S+)", told),
                qr_token=_found(r'"qr": "(PM1:[^"]+)"', told),
            )
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=STOP_SECONDS_MAX)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text, re.MULTILINE)
    if match is None:
        message = f"The demo does not tell of {pattern}:\n{text}"
        raise AssertionError(message)
    return match[1]


Shown = tuple[Callable[[Page, Demo], None], ViewportSize, Literal["light", "dark"]]


def overview(page: Page, shown: Demo) -> None:
    page.goto(f"{shown.url}/console")
    for label, chosen in (("Partner", f"{TEST_PARTNER} (test)"), ("Days", "90")):
        with page.expect_navigation():
            page.get_by_label(label, exact=True).select_option(label=chosen)
    page.get_by_role("heading", name=TEST_PARTNER).wait_for()


def batches(page: Page, shown: Demo) -> None:
    page.goto(f"{shown.url}/console/batches")


def ticket(page: Page, shown: Demo) -> None:
    page.goto(f"{shown.url}/console/tickets/{shown.ticket_code}")


def stock(page: Page, shown: Demo) -> None:
    page.goto(f"{shown.url}/console/stock")


def gate(page: Page, shown: Demo) -> None:
    page.goto(f"{shown.url}/console/gate")
    page.get_by_text("Online").first.wait_for()
    page.locator("#device").evaluate("(it) => { it.open = true }")
    page.get_by_label("Name of the device").fill("north-gate")
    page.get_by_label("What this gate is for").select_option("ferry")
    page.locator("#device summary").click()
    field = page.get_by_label("Hand scanner")
    field.fill(shown.qr_token)
    field.press("Enter")
    page.get_by_text("Welcome", exact=False).first.wait_for()


PICTURES: dict[str, Shown] = {
    "overview": (overview, TALL, "light"),
    "batches": (batches, DESK, "light"),
    "ticket": (ticket, DESK, "dark"),
    "stock": (stock, DESK, "light"),
    "gate": (gate, PHONE, "dark"),
    "overview-phone": (overview, PHONE, "dark"),
}


def taken(browser: Browser, demo: Demo, what: Shown) -> bytes:
    """The picture of a page, with few colours: it has no photographs."""
    show, size, scheme = what
    context = browser.new_context(viewport=size, color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{demo.url}/console/sign-in")
    page.get_by_label("Name").fill(demo.name)
    page.get_by_label("Password").fill(demo.password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/console")
    show(page, demo)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS_MAX)
    context.close()
    written = io.BytesIO()
    picture.save(written, "PNG", optimize=True)
    return written.getvalue()


def main() -> None:
    """Writes them beside this file."""
    with running_demo() as shown, sync_playwright() as playwright:
        browser = launched(playwright.chromium)
        for name, what in PICTURES.items():
            content = taken(browser, shown, what)
            (FOLDER / f"{name}.png").write_bytes(content)
            print(f"{name}.png  {len(content):,} bytes")
        browser.close()
    together = sum(file.stat().st_size for file in FOLDER.glob("*.png"))
    if together > BYTES_MAX:
        sys.exit(f"The pictures have {together:,} bytes, more than {BYTES_MAX:,}")


if __name__ == "__main__":
    main()
