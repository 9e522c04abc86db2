"""The browser, Debian's Chromium without a window."""

import shutil

from playwright.sync_api import Browser, BrowserType

BINARIES = ("chromium-headless-shell", "chromium")
"""The headless shell is the same browser without the parts for a screen: it takes half the processor time."""


def launched(chromium: BrowserType, *flags: str) -> Browser:
    """Return a new browser, which the caller closes."""
    found = [path for path in map(shutil.which, BINARIES) if path]
    return chromium.launch(executable_path=found[0], args=["--no-sandbox", *flags])
