"""A key works from its networks only, and has a label."""

from datetime import timedelta

import httpx
import pytest
from browser.visitors import visitor
from support.plain_http import NO_TLS
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.partners.key_networks import checked_networks, is_within
from premade.partners.keyring import KEY_CACHE_SECONDS
from premade.partners.keys import change_key, rotate_key
from premade.runtime.errors import Invalid


@pytest.mark.parametrize(
    ("host", "network", "expected"),
    [
        ("203.0.113.7", "203.0.113.0/24", True),
        ("203.0.114.7", "203.0.113.0/24", False),
        ("203.0.113.7", "203.0.113.7/32", True),
        ("::ffff:203.0.113.7", "203.0.113.0/24", True),
        ("2001:db8::7", "2001:db8::/32", True),
        ("2001:db9::7", "2001:db8::/32", False),
        ("fe80::1%eth0", "fe80::/10", True),
        ("203.0.113.7", "::/0", False),
        ("", "0.0.0.0/0", False),
        ("unix:", "0.0.0.0/0", False),
    ],
)
def test_an_address_is_in_a_network_or_not(host: str, network: str, *, expected: bool) -> None:
    assert is_within(host, (network,)) is expected


def test_networks_are_stored_in_one_form() -> None:
    typed = ["203.0.113.7", " 203.0.113.7/32 ", "::ffff:203.0.113.0/120", "2001:DB8::/32"]

    assert checked_networks(typed) == ["203.0.113.7/32", "203.0.113.0/24", "2001:db8::/32"]


@pytest.mark.parametrize("wrong", ["203.0.113.7/24", "example.com", "", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(wrong: str) -> None:
    with pytest.raises(Invalid):
        checked_networks([wrong])


def client_of(shop: Shop, key: str) -> httpx.Client:
    return httpx.Client(
        base_url=shop.url, headers={"X-API-Key": key}, timeout=60, trust_env=False, verify=NO_TLS
    )


def test_a_key_is_refused_from_other_networks(shop: Shop, seller: Seller) -> None:
    here = shop.key(seller.name, ["tickets:read"], label="here", networks=["127.0.0.0/8"])
    elsewhere = shop.key(seller.name, ["tickets:read"], networks=["203.0.113.0/24"])

    with client_of(shop, here.key) as one, client_of(shop, elsewhere.key) as other:
        allowed, refused = one.get("/api/ota/tickets"), other.get("/api/ota/tickets")

    assert allowed.status_code == 200
    assert (refused.status_code, refused.json()["code"]) == (403, "KEY_NETWORK_REFUSED")
    assert "127.0.0.1" in refused.json()["detail"]
    [row] = shop.sql("SELECT last_used_at FROM api_keys WHERE key_id = %s", elsewhere.id)
    assert row["last_used_at"] is None


def test_a_rotated_key_keeps_label_and_networks(shop: Shop, seller: Seller) -> None:
    shop.operate(lambda d, r: change_key(d, r, seller.key_id, label="shop", networks=["203.0.113.7"]))
    successor = shop.operate(lambda d, r: rotate_key(d, r, seller.key_id, timedelta(0)))

    [row] = shop.sql("SELECT label, networks FROM api_keys WHERE key_id = %s", successor.id)
    assert row == {"label": "shop", "networks": ["203.0.113.7/32"]}


def test_command_and_console_set_label_and_networks(shop: Shop, seller: Seller) -> None:
    operator, label = Operator(shop.dsn), unique("engine")
    key_id = str(seller.key_id)

    changed = operator.does("key", "change", key_id, "--label", label, "--network", "203.0.113.0/24")
    kept = operator.does("key", "change", key_id, "--label", f"{label} 2")
    opened = operator.does("key", "change", key_id, "--everywhere")
    with visitor(shop, "admin") as ann:
        page = f"/console/keys/{key_id}/change"
        wrong = ann.sends(page, step="preview", label="x", network="nonsense")
        preview = ann.sends(page, step="preview", label=label, network="127.0.0.1\n2001:db8::/32")
        saved = ann.sends(page, step="save", label=label, network="127.0.0.1\n2001:db8::/32")
        shown = ann.page(f"/console/partners/{seller.partner_id}")

    assert (changed["label"], changed["networks"]) == (label, ["203.0.113.0/24"])
    assert (kept["label"], kept["networks"]) == (f"{label} 2", ["203.0.113.0/24"])
    assert opened["networks"] == []
    assert (wrong.status_code, saved.status_code) == (400, 303)
    assert "2001:db8::/32" in preview.text
    assert "only from 127.0.0.1/32, 2001:db8::/32" in shown
    assert label in shown
    events = shop.sql(
        "SELECT data FROM audit_events WHERE event = 'key.changed' AND partner_id = %s", seller.partner_id
    )
    assert len(events) == 4
    assert KEY_CACHE_SECONDS <= 2, "as docs/authorisation.md says"
