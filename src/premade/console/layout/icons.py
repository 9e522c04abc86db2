"""The icons of the pages, inlined: pictures of Heroicons, drawn in the colour of the text."""

from functools import cache
from importlib import resources

from markupsafe import Markup

FOLDER = "layout/heroicons"


@cache
def icon(name: str) -> Markup:
    """Return an icon. A reader of the page does not hear it, so the text beside it must say the same."""
    text = (resources.files("premade.console") / FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    return Markup(text.strip().replace("<svg ", '<svg class="icon" ', 1).replace(' data-slot="icon"', ""))  # noqa: S704  (a file of the package)
