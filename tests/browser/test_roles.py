"""What a role may not see is neither linked nor served, and what it may not do is refused."""

from typing import Any

import pytest
from browser.conftest import Somebody
from support.shop import Seller

from premade.staff.role import Role

SALES = {"admin", "operations", "finance"}
GATE = {"admin", "operations", "gate"}
LINKS = {
    "admin": ["Overview", "Tickets and orders", "Batches", "Stock", "Partners", "Gate", "Audit", "Staff"],
    "operations": ["Overview", "Tickets and orders", "Batches", "Stock", "Partners", "Gate", "Audit"],
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
        f"/console?partner={seller.partner_id}": everybody,
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
    }


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.nightly
def test_a_role_sees_its_pages_and_no_other(
    somebody: Somebody, addresses: dict[str, set[str]], role: Role
) -> None:
    who = somebody(role)
    ticket = next(path for path in addresses if path.count("/") == 3 and "tickets" in path)

    served = {path: who.goes_to(path) for path in addresses}

    assert served == {path: 200 if role in roles else 403 for path, roles in addresses.items()}
    who.goes_to(ticket)
    assert who.page.locator("header nav a").all_inner_texts() == LINKS[role]
    may_change = role in {"admin", "operations"}
    assert who.page.get_by_role("link", name="Cancel the ticket").count() == may_change
    assert who.page.get_by_role("link", name="Reissue the QR").count() == may_change
    if role in SALES:
        who.goes_to(next(path for path in addresses if path.startswith("/console/batch?")))
        assert who.page.get_by_role("link", name="Cancel unused tickets").count() == may_change
        assert who.page.get_by_text("Export and print").count() == 1
        assert who.page.get_by_role("link", name="Audit record").count() == 1
        who.goes_to("/console/batches")
        assert who.page.get_by_role("link", name="Generate a batch").count() == may_change


@pytest.mark.parametrize("role", ["finance", "gate"])
def test_a_write_that_a_role_may_not_make_is_refused(somebody: Somebody, seller: Seller, role: str) -> None:
    who = somebody(role)
    [code] = seller.tickets(1)
    who.goes_to("/console/account")
    form: dict[str, Any] = {"form_token": who.form_token(), "once": "0" * 32, "reason": "mine"}
    form |= {"name": "new.one", "role": "admin", "password": "three small ferries", "searched": code}
    paths = [f"/console/tickets/{code}/cancel", f"/console/tickets/{code}/reissue", "/console/staff"]
    paths += [f"/console/staff/{who.name}/{what}" for what in ("role", "password", "disable", "enable")]
    batch = (
        f"?partner={seller.partner_id}&batch={seller.http.get(f'/api/ota/tickets/{code}').json()['batch_id']}"
    )
    paths += ["/console/batches/new", f"/console/batch/cancel{batch}", f"/console/batch/stop{batch}"]
    if role == "gate":
        paths += ["/console/search", f"/console/batch/export{batch}"]

    with who.as_client() as client:
        answers = {
            path: client.post(path, data=form, headers={"Sec-Fetch-Site": "same-origin"}) for path in paths
        }

    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(paths, 403)
    assert seller.http.get(f"/api/ota/tickets/{code}").json()["status"] == "PRE_GENERATED"
    assert who.shop.sql("SELECT role FROM staff WHERE name = %s", who.name) == [{"role": role}]
