"""What keeps somebody from using a page: found by axe, in light and in dark, and by its width."""

from browser.conftest import AXE, DESK, PHONE
from playwright.sync_api import Page

FINDINGS = """async (more) => (await axe.run(document, {resultTypes: ['violations'], ...more})).violations
    .map(each => each.id + ': ' + each.nodes.map(node => node.target + ' ' + node.failureSummary).join('; '))"""
BEYOND = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def barriers_of(page: Page) -> list[str]:
    """Of the page as it stands, on a phone and at a desk: all in light, and in dark what can differ there, which is its
    colours.
    """
    # axe is brought in by the browser's own tools, which the policy of the pages does not bind.
    page.evaluate(AXE.read_text())
    found: list[str] = []
    for name, screen in (("phone", PHONE), ("desk", DESK)):
        page.set_viewport_size(screen)  # pyright: ignore[reportArgumentType]
        found += [f"{name}: {each}" for each in page.evaluate(FINDINGS, {})]
        if (pixels := page.evaluate(BEYOND)) > 0:
            found.append(f"{pixels} pixels wider than the {name}")
        page.emulate_media(color_scheme="dark")
        in_dark = page.evaluate(FINDINGS, {"runOnly": ["color-contrast"]})
        found += [f"{name}, dark: {each}" for each in in_dark]
        page.emulate_media(color_scheme="light")
    return found
