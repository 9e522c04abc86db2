"""What a role may not see is neither linked nor served, and what it may not do is refused."""

import re

import pytest
from browser.visitors import text_of, visitor
from support.shop import Seller, Shop, unique

from premade.staff.role import Role

SALES = {"admin", "operations", "finance"}
GATE = {"admin", "operations", "gate"}
LINKS = {
    "admin": [
        "Overview",
        "Tickets and orders",
        "Batches",
        "Stock",
        "Partners",
        "Gate",
        "Gate devices",
        "Audit",
        "Customers",
        "Staff",
    ],
    "operations": [
        "Overview",
        "Tickets and orders",
        "Batches",
        "Stock",
        "Partners",
        "Gate",
        "Gate devices",
        "Audit",
    ],
    "finance": ["Overview", "Tickets and orders", "Batches", "Stock", "Partners", "Audit"],
    "gate": ["Gate"],
}


@pytest.fixture
def addresses(seller: Seller) -> dict[str, set[str]]:
    """Every page, with the roles that it is for."""
    batch = f"B-{seller.name}"
    code, _ = seller.tickets(2, batch_id=batch)
    order_id = seller.activate(code).json()["order_id"]
    everybody = {str(role) for role in Role}
    return {
        "/console/account": everybody,
        "/console/tickets": SALES,
        f"/console/tickets/{code}": SALES,
        f"/console/tickets/{code}/qr.svg": {"admin", "operations"},
        f"/console/orders/{order_id}": SALES,
        f"/console/orders/{order_id}/same/phone": SALES,
        "/console/batches": SALES,
        f"/console/batch?partner={seller.partner_id}&batch={batch}": SALES,
        f"/console/batch/progress?partner={seller.partner_id}&batch={batch}": SALES,
        f"/console/batch/cancel?partner={seller.partner_id}&batch={batch}": {"admin", "operations"},
        f"/console/batch/stop?partner={seller.partner_id}&batch={batch}": {"admin", "operations"},
        "/console/batches/new": {"admin", "operations"},
        "/console/audit": SALES,
        f"/console/tickets/{code}/cancel": {"admin", "operations"},
        f"/console/tickets/{code}/reissue": {"admin", "operations"},
        "/console/gate": GATE,
        "/console/gate/offline": GATE,
        "/console/gate/session": GATE,
        "/console/staff": {"admin"},
        "/console/gate-devices": {"admin", "operations"},
        "/console/customers": {"admin"},
        "/console/customers/erase": {"admin"},
    }


@pytest.mark.parametrize("role", list(Role))
def test_a_role_sees_its_pages_and_no_other(
    shop: Shop, seller: Seller, addresses: dict[str, set[str]], role: Role
) -> None:
    ticket = next(path for path in addresses if path.count("/") == 3 and "tickets" in path)
    batch = next(path for path in addresses if path.startswith("/console/batch?"))
    may_change = role in {"admin", "operations"}

    with visitor(shop, role) as who:
        statuses = {path: who.status(path) for path in addresses}
        pages = {path: who.http.get(path).text for path in (ticket, batch, "/console/batches")}
        overview = who.http.get(f"/console?partner={seller.partner_id}")

    assert statuses == {path: 200 if role in roles else 403 for path, roles in addresses.items()}
    # A guard's first page is the gate page.
    leads_to = None if role in SALES else "/console/gate"
    assert (overview.is_success, overview.headers.get("location")) == (role in SALES, leads_to)
    [menu] = re.findall(r"<nav.*?</nav>", pages[ticket].partition("</header>")[0], re.DOTALL)
    assert links(menu) == LINKS[role]
    assert ("Cancel the ticket" in links(pages[ticket])) == may_change
    assert ("Reissue the QR" in links(pages[ticket])) == may_change
    assert ("Cancel unused tickets" in links(pages[batch])) == may_change
    assert ("Export and print" in text_of(pages[batch])) == (role in SALES)
    assert links(pages[batch]).count("Audit record") == (role in SALES)
    assert ("Generate a batch" in links(pages["/console/batches"])) == may_change


def links(html: str) -> list[str]:
    return [text_of(link) for link in re.findall(r"<a\b.*?</a>", html, re.DOTALL)]


@pytest.mark.parametrize("role", ["finance", "gate"])
def test_a_write_that_a_role_may_not_make_is_refused(shop: Shop, seller: Seller, role: str) -> None:
    batch_id = unique("B")
    [code] = seller.tickets(1, batch_id=batch_id)
    batch = f"?partner={seller.partner_id}&batch={batch_id}"
    form = {"once": "0" * 32, "reason": "mine"}
    form |= {"name": "new.one", "role": "admin", "password": "three small ferries", "searched": code}

    with visitor(shop, role) as who:
        paths = [f"/console/tickets/{code}/cancel", f"/console/tickets/{code}/reissue", "/console/staff"]
        paths += [f"/console/staff/{who.name}/{what}" for what in ("role", "password", "disable", "enable")]
        paths += ["/console/batches/new", f"/console/batch/cancel{batch}", f"/console/batch/stop{batch}"]
        if role == "gate":
            paths += ["/console/search", f"/console/batch/export{batch}"]
        statuses = {path: who.sends(path, **form).status_code for path in paths}

    assert statuses == dict.fromkeys(paths, 403)
    assert seller.http.get(f"/api/ota/tickets/{code}").json()["status"] == "PRE_GENERATED"
    assert shop.sql("SELECT role FROM staff WHERE name = %s", who.name) == [{"role": role}]
