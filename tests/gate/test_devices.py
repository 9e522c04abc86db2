"""Devices of gates: registered by their first request, listed, revoked and approved."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from browser.visitors import visitor
from gate.conftest import Gate, Ticket, gate_of, sold
from support.processes import wait_until
from support.shop import Seller, Shop, unique
from support.terminal import Operator

from premade.devices.change import page_of_devices, set_state
from premade.devices.registry import DEVICES_MAX, DeviceRevoked, DeviceState, DeviceUnapproved, GateDevices
from premade.partners.keyring import GateCaller
from premade.partners.keys import rotate_key
from premade.postgres.database import Database
from premade.runtime.clock import Runtime, rfc3339
from premade.runtime.slots import current_owner

REVOKED = (403, "DEVICE_REVOKED")


def device_of(shop: Shop, device_id: str) -> dict[str, object]:
    [row] = shop.sql("SELECT * FROM gate_devices WHERE device_id = %s", device_id)
    return row


def set_and_wait(shop: Shop, gate: Gate, state: DeviceState) -> None:
    """Set the state of the device, and wait until the service knows it."""
    number = device_of(shop, gate.device_id)["gate_device_id"]
    assert isinstance(number, int)
    shop.operate(lambda database, runtime: set_state(database, runtime, number, state))
    refused = state is DeviceState.REVOKED
    wait_until(
        lambda: (gate.inspect(qr="x").json()["code"] == REVOKED[1]) is refused,
        "the old state is still in force",
    )


def test_a_revoked_device_is_refused_everywhere_and_loses_no_scan(
    shop: Shop, seller: Seller, gate: Gate
) -> None:
    online, offline = sold(seller, 2)
    other = Gate(gate.http, unique("GATE"), gate.key_id)
    scan = {
        "scan_id": "s1",
        "qr": offline.qr,
        "function_code": "ferry",
        "uses": 1,
        "scanned_at": rfc3339(datetime.now(UTC)),
    }
    assert gate.redeem(online).status_code == 200

    set_and_wait(shop, gate, DeviceState.REVOKED)
    snapshot = "/api/gate/snapshot"
    refusals = [
        gate.redeem(online),
        gate.inspect(online),
        gate.sync(scan),
        gate.http.get(snapshot, params={"device_id": gate.device_id}),
    ]
    others = [other.redeem(online), gate.http.get(snapshot, params={"device_id": other.device_id})]
    set_and_wait(shop, gate, DeviceState.APPROVED)
    [uploaded] = gate.sync(scan).json()["results"]

    assert {(answer.status_code, answer.json()["code"]) for answer in refusals} == {REVOKED}
    assert {answer.json()["device_id"] for answer in refusals} == {gate.device_id}
    assert [answer.status_code for answer in others] == [200, 200]
    assert uploaded["outcome"] == "accepted"
    events = shop.sql(
        "SELECT event, partner_id, data->>'device_id' AS device_id FROM audit_events WHERE data->>'device_id' = %s "
        "AND event LIKE 'gate_device.%%' ORDER BY event_id",
        gate.device_id,
    )
    assert [event.pop("event") for event in events] == ["gate_device.revoked", "gate_device.approved"]
    assert events == 2 * [{"partner_id": seller.partner_id, "device_id": gate.device_id}]


def test_a_device_belongs_to_a_key_and_to_its_successors(shop: Shop, seller: Seller, ticket: Ticket) -> None:
    one, another = gate_of(shop, seller.name), gate_of(shop, seller.name)
    same_name = Gate(another.http, one.device_id, another.key_id)
    successor = shop.operate(lambda d, r: rotate_key(d, r, one.key_id, timedelta(hours=1)))
    rotated = Gate(shop.client(successor.key), one.device_id, successor.id)

    assert [each.inspect(ticket).status_code for each in (one, same_name, rotated)] == [200, 200, 200]
    rows = shop.sql(
        "SELECT owner, partner_id FROM gate_devices WHERE device_id = %s ORDER BY owner", one.device_id
    )
    assert {row["owner"] for row in rows} == {f"key:{one.key_id}", f"key:{another.key_id}"}
    set_number = shop.sql(
        "UPDATE gate_devices SET state = 'REVOKED' WHERE owner = %s RETURNING gate_device_id",
        f"key:{one.key_id}",
    )
    assert len(set_number) == 1
    wait_until(lambda: rotated.inspect(ticket).status_code == 403, "the successor's device works")
    assert same_name.inspect(ticket).status_code == 200


def test_a_malformed_device_of_a_snapshot_is_refused(gate: Gate) -> None:
    wrong = gate.http.get("/api/gate/snapshot", params={"device_id": "a b"})

    assert (wrong.status_code, wrong.json()["code"]) == (400, "INVALID_REQUEST")
    assert wrong.json()["errors"][0]["pointer"] == "query#/device_id"


def test_a_new_device_waits_for_its_approval_if_the_operator_wants_it(shop: Shop, seller: Seller) -> None:
    caller = GateCaller(unique("key:"), seller.partner_id, frozenset(), key_id=seller.key_id)
    device_id = unique("GATE")

    async def try_all(database: Database, runtime: Runtime) -> int:
        strict = GateDevices(database, runtime, needs_approval=True)
        with pytest.raises(DeviceUnapproved) as unnamed:
            await strict.require(caller, None)
        with pytest.raises(DeviceUnapproved) as unapproved:
            await strict.require(caller, device_id)
        assert "device_id" in unnamed.value.detail
        assert device_id in unapproved.value.detail
        # A service without the setting lets the device work, and forgets nothing.
        await GateDevices(database, runtime, needs_approval=False).require(caller, device_id)
        [row] = shop.sql("SELECT gate_device_id, state FROM gate_devices WHERE device_id = %s", device_id)
        assert row["state"] == "UNAPPROVED"
        await set_state(database, runtime, row["gate_device_id"], DeviceState.APPROVED)
        # Another instance has no memory of the old state.
        await GateDevices(database, runtime, needs_approval=True).require(caller, device_id)
        return row["gate_device_id"]

    assert shop.operate(try_all) > 0


def test_the_devices_of_one_key_are_bounded_and_revoked_ones_are_kept(shop: Shop, seller: Seller) -> None:
    caller = GateCaller(f"key:{seller.key_id}", seller.partner_id, frozenset(), key_id=seller.key_id)
    shop.sql(
        "INSERT INTO gate_devices (owner, device_id, partner_id, state, registered_at, registered_by, last_used_at, last_used_by) "
        "SELECT %s, 'D' || n, %s, CASE n WHEN 1 THEN 'REVOKED' ELSE 'APPROVED' END, now(), %s, now() - make_interval(mins => 10000 - n), %s "
        "FROM generate_series(1, %s) AS n RETURNING 1",
        caller.actor, seller.partner_id, caller.actor, caller.actor, DEVICES_MAX + 1,
    )  # fmt: skip

    async def come(database: Database, runtime: Runtime) -> None:
        devices = GateDevices(database, runtime, needs_approval=False)
        await devices.require(caller, "NEW")
        with pytest.raises(DeviceRevoked):
            await devices.require(caller, "D1")

    shop.operate(come)

    rows = shop.sql("SELECT device_id, state FROM gate_devices WHERE owner = %s", caller.actor)
    approved = {row["device_id"] for row in rows if row["state"] == "APPROVED"}
    assert len(approved) == DEVICES_MAX
    assert "NEW" in approved
    assert "D2" not in approved
    assert {"device_id": "D1", "state": "REVOKED"} in rows


def test_staff_do_not_wait_for_the_many_devices_of_one_partner(shop: Shop, seller: Seller) -> None:
    caller = GateCaller(f"key:{seller.key_id}", seller.partner_id, frozenset(), key_id=seller.key_id)
    shop.sql(
        "INSERT INTO gate_devices (owner, device_id, partner_id, state, registered_at, registered_by, last_used_at, last_used_by) "
        "SELECT %s, 'D' || n, %s, 'APPROVED', now(), %s, now(), %s FROM generate_series(1, %s) AS n RETURNING 1",
        caller.actor, seller.partner_id, caller.actor, caller.actor, DEVICES_MAX,
    )  # fmt: skip

    async def come(database: Database, runtime: Runtime) -> int:
        devices = GateDevices(database, runtime, needs_approval=False)
        known = 0

        async def send(number: int) -> None:
            nonlocal known
            current_owner.set(seller.partner_id)
            await devices.require(caller, f"D{number}")
            known += 1

        async def read_as_staff() -> int:
            await page_of_devices(database, "", 1, None)
            return known

        async with asyncio.TaskGroup() as group:
            for number in range(1, DEVICES_MAX // 2):
                group.create_task(send(number))
            for _ in range(2):
                await asyncio.sleep(0)  # The reads of all devices begin to wait for connections.
            staff = group.create_task(read_as_staff())
        return staff.result()

    assert shop.operate(come) < DEVICES_MAX / 4


def test_the_operator_lists_revokes_and_approves(
    shop: Shop, seller: Seller, gate: Gate, ticket: Ticket
) -> None:
    assert gate.inspect(ticket).status_code == 200
    number = str(device_of(shop, gate.device_id)["gate_device_id"])
    operator = Operator(shop.dsn)

    with visitor(shop, "operations") as ann:
        listed = ann.page(f"/console/gate-devices?find={gate.device_id}")
        by_partner = ann.page(f"/console/gate-devices?find={seller.name}")
        preview = ann.page(f"/console/gate-devices/{number}/revoke")
        saved = ann.sends(f"/console/gate-devices/{number}/revoke", step="save")
        after = ann.page(f"/console/gate-devices?find={gate.device_id}")
    approved = operator.does("device", "approve", number)
    revoked = operator.does("device", "revoke", number)
    [shown] = [each for each in operator.does("device", "list") if each["device_id"] == gate.device_id]
    unknown = operator.run("device", "revoke", "999999999")

    assert gate.device_id in listed
    assert gate.device_id in by_partner
    assert f"Key {gate.key_id} of" in listed
    assert gate.device_id in preview
    assert saved.status_code == 303
    assert "Revoked" in after
    assert (approved["state"], revoked["state"]) == ("APPROVED", "REVOKED")
    assert (shown["owner"], shown["partner"]) == (f"key:{gate.key_id}", seller.name)
    assert unknown.returncode == 1
    assert "999999999" in unknown.stderr
    assert "premade device list" in unknown.stderr
