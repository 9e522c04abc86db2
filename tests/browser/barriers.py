"""What keeps somebody from using a page: found by axe, in light and in dark, and by its width on a phone."""

from browser.conftest import AXE, DESK, PHONE
from playwright.sync_api import Page

FINDINGS = """async () => (await axe.run(document, {resultTypes: ['violations']})).violations
    .map(each => each.id + ': ' + each.nodes.map(node => node.target + ' ' + node.failureSummary).join('; '))"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def barriers_of(page: Page) -> list[str]:
    """Of the page as it stands: on a phone in light, at a desk in dark."""
    found: list[str] = []
    page.evaluate(AXE.read_text())
    for viewport, scheme in ((PHONE, "light"), (DESK, "dark")):
        page.set_viewport_size(viewport)  # pyright: ignore[reportArgumentType]
        page.emulate_media(color_scheme=scheme)  # pyright: ignore[reportArgumentType]
        found += [f"{scheme}: {each}" for each in page.evaluate(FINDINGS)]
        if (pixels := page.evaluate(BEYOND)) > 0:
            found.append(f"{pixels} pixels wider than the screen")
    return found
