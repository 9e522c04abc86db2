"""What a device may admit without network."""

from support.gate import SNAPSHOT, Device, gate_client
from support.shop import Seller, Shop


def test_a_full_snapshot_lists_every_active_ticket_of_the_partner(seller: Seller, shop: Shop) -> None:
    sold, unsold = seller.tickets(2)
    assert seller.activate(sold).status_code == 200
    device = Device(gate_client(shop, seller.name))

    device.sync()

    assert device.tickets == {
        sold: {
            "ticket_code": sold,
            "issue_number": 1,
            "uses": {"ferry": 2, "gift": 1, "tokens": 10},
            "usable_until": None,
        }
    }
    assert unsold not in device.tickets
    later = seller.tickets(1)[0]
    seller.activate(later)
    assert [line["ticket_code"] for line in device.sync()] == [later]
    print(device, device.http.get(SNAPSHOT).headers)
    print(shop.client().get("/.well-known/premade-keys.json").text)
