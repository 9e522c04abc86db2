"""What keeps somebody from using a page: found by axe, in light and in dark, and by its width."""

from browser.conftest import AXE, DESK, PHONE
from playwright.sync_api import Page

FINDINGS = """async (more) => (await axe.run(document, {resultTypes: ['violations'], ...more})).violations
    .map(each => each.id + ': ' + each.nodes.map(node => node.target + ' ' + node.failureSummary).join('; '))"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def barriers_of(page: Page) -> list[str]:
    """Of the page as it stands, on a phone: all in light, and in dark what can differ there."""
    page.set_viewport_size(PHONE)  # pyright: ignore[reportArgumentType]
    page.evaluate(AXE.read_text())
    found = list(page.evaluate(FINDINGS, {}))
    if (pixels := page.evaluate(BEYOND)) > 0:
        found.append(f"{pixels} pixels wider than the screen")
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {each}" for each in page.evaluate(FINDINGS, {"runOnly": ["color-contrast"]})]
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(DESK)  # pyright: ignore[reportArgumentType]
    return found
