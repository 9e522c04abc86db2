"""The console's registry: each module with pages is in it, and each page names the right that it needs."""

import pkgutil
from importlib import import_module

import premade.console
from premade.console.account.pages import PAGES as ACCOUNT_PAGES
from premade.console.account.second_factor import PAGES as SECOND_FACTOR_PAGES
from premade.console.overview.pages import PAGES as OVERVIEW_PAGES
from premade.console.sections import SECTIONS

FOR_ALL_MEMBERS = {page.path for page in (*ACCOUNT_PAGES, *SECOND_FACTOR_PAGES, *OVERVIEW_PAGES)}
"""One's own account, and the first page, which leads to a page that the member may see."""


def test_each_module_with_pages_is_registered_once() -> None:
    modules = [
        import_module(found.name)
        for found in pkgutil.walk_packages(premade.console.__path__, "premade.console.")
        if not found.ispkg
    ]
    of_modules = [module.PAGES for module in modules if hasattr(module, "PAGES")]
    registered = [pages for section in SECTIONS for pages in section.pages]

    assert sorted(map(id, registered)) == sorted(map(id, of_modules))


def test_each_page_needs_a_right_and_each_address_is_used_once() -> None:
    pages = [page for section in SECTIONS for pages in section.pages for page in pages]

    assert {page.path for page in pages if page.right is None} == FOR_ALL_MEMBERS
    assert len({page.path for page in pages}) == len(pages)
