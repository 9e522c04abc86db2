"""Every kind of audit event once, each by the action of the product that writes it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pyotp.totp import TOTP

from premade.activation.order import OrderMaker
from premade.activation.sale import Draw
from premade.audit.views import record_customer_views, record_qr_view
from premade.cancellation.cancel import Canceller, CancelRequest
from premade.cancellation.cancel_batch import BatchCanceller, CancelBatchRequest
from premade.cancellation.cancel_order import CancelOrderRequest, OrderCanceller
from premade.catalog.names import name_function
from premade.catalog.product import change_product
from premade.customers.customer import Customers
from premade.customers.erase import Eraser
from premade.devices.change import set_state
from premade.devices.registry import DeviceState, GateDevices
from premade.export.rows import Exporter, TicketsToExport, record_export
from premade.generation.batch_request import BatchRequest
from premade.generation.large import LargeBatches
from premade.http.client_address import current_client_host
from premade.partners.keyring import GateCaller
from premade.partners.keys import change_key, revoke_key, rotate_key
from premade.partners.limits import set_limits
from premade.partners.partner import rename_partner, set_disabled, set_reservation_hours
from premade.redemption.offline_scan import OfflineScan
from premade.redemption.redeem import Redeemer
from premade.redemption.rules import GateRules
from premade.redemption.scan import Device, Entry, PresentedTicket, Scan
from premade.redemption.sync import Syncer
from premade.reissue.reissue import Reissuer, ReissueRequest
from premade.runtime.clock import Runtime
from premade.staff import member
from premade.staff.provider_sign_in import link_account, unlink_accounts
from premade.staff.role import Role
from premade.staff.second_factor import enrolment_of, remove_own, set_up_own
from premade.staff.session import Member, Sessions, SignInRefused
from premade.stock.hold import expire_holds
from premade.stock.release import ReleaseRequest
from premade.stock.reservations import Reservations
from premade.stock.reserve import ReservationRequest
from premade.tickets.incarnation import begin_incarnation
from premade.tickets.sealing import seal_signing_keys
from premade.tickets.signing import (
    RETIRE_AFTER_SECONDS,
    Signers,
    Verifiers,
    retire_signing_key,
    rotate_signing_key,
)
from support import past
from support.large import make, whose
from support.old_months import OLD, add_month, archive, at
from support.shop import Seller, Shop, unique
from support.staff import PASSWORD
from support.taking_back import REASON, caller_of
from support.terminal import Operator

CUSTOMER = ("John Smith", "john@example.com", "+1234567890")
REQUEST = "a-request"
NEW_PASSWORD = "seven slow ferries to Macau"


def record_everything(shop: Shop) -> None:
    """On a database of its own: signing keys are retired, and a restore is recorded. All by one client's requests."""
    client = current_client_host.set("192.0.2.1")
    try:
        _record_everything(shop)
    finally:
        current_client_host.reset(client)


def _record_everything(shop: Shop) -> None:
    seller = shop.seller()
    _change_partner(shop, seller)
    _change_staff(shop)
    _sell_and_look(shop, seller)
    _redeem(shop, seller)
    _reserve(shop, seller)
    _end_batches(shop, seller)
    _make_large(shop, seller)
    _change_signing_keys(shop)
    _archive(shop, seller)


def _archive(shop: Shop, seller: Seller) -> None:
    """Archive and restore a month with one batch."""
    add_month(shop, OLD)
    past.generate(at(shop, OLD), seller, 1)
    with TemporaryDirectory() as folder:
        archive(shop, Path(folder))
        Operator(shop.dsn).does("archive", "restore", str(OLD), "--from", folder)


def _change_partner(shop: Shop, seller: Seller) -> None:
    season_ends = shop.runtime.today() + timedelta(days=30)
    season = shop.product(seller.channel, 10, usable_until=season_ends, names={"en": "Spring"})
    shop.operate(lambda d, r: change_product(d, r, season, price=Decimal(300)))
    shop.operate(lambda d, r: change_product(d, r, season, usable_until=None, usable_days=7))
    shop.operate(lambda d, r: name_function(d, r, "ferry", {"zh-Hant": "渡輪"}))
    shop.operate(lambda d, r: change_product(d, r, season, names={"zh-Hant": "維港遊"}))
    for is_disabled in (True, False):
        shop.operate(
            lambda d, r, is_disabled=is_disabled: set_disabled(d, r, seller.name, disabled=is_disabled)
        )
    shop.operate(lambda d, r: set_reservation_hours(d, r, seller.name, 200))
    shop.operate(lambda d, r: set_limits(d, r, seller.name, {"rate-read": 600}))
    key = shop.key(seller.name, ["tickets:read"])
    shop.operate(lambda d, r: change_key(d, r, key.id, label="reports", networks=["203.0.113.0/24"]))
    shop.key(seller.name, ["tickets:read"], label="reports", networks=["203.0.113.0/24"])
    rotated = shop.operate(lambda d, r: rotate_key(d, r, key.id, timedelta(hours=1)))
    shop.operate(lambda d, r: revoke_key(d, r, rotated.id))
    gate = GateCaller(f"key:{key.id}", seller.partner_id, frozenset(), key.id)
    shop.operate(lambda d, r: GateDevices(d, r, needs_approval=False).require(gate, "GATE-1"))
    [device] = shop.sql("SELECT gate_device_id FROM gate_devices")
    for state in (DeviceState.REVOKED, DeviceState.APPROVED):
        shop.operate(lambda d, r, state=state: set_state(d, r, device["gate_device_id"], state))
    shop.operate(lambda d, r: rename_partner(d, r, seller.name, f"{seller.name} renamed"))


def _change_staff(shop: Shop) -> None:
    name = unique("mei")
    added = shop.operate(lambda d, r: member.add_staff(d, r, name, "gate", PASSWORD))
    shop.operate(lambda d, r: member.set_role(d, r, name, "finance"))
    shop.operate(lambda d, r: member.set_password(d, r, name, NEW_PASSWORD))
    mei = Member(added.staff_id, name, Role.FINANCE)

    def sessions(work: Any) -> Any:
        return shop.operate(lambda d, r: work(Sessions(d, r)))

    for wrong in (name, "nobody"):
        with pytest.raises(SignInRefused):
            sessions(lambda s, wrong=wrong: s.sign_in(wrong, "three large ferries", "127.0.0.1"))
    signed_in = sessions(lambda s: s.sign_in(name, NEW_PASSWORD, "127.0.0.1"))
    sessions(lambda s: s.sign_out(mei, signed_in.token, everywhere=True))
    _use_second_factor(shop, mei)
    shop.operate(lambda d, r: link_account(d, r, name, "https://login.example.com", unique("account")))
    shop.operate(lambda d, r: unlink_accounts(d, r, name))
    for is_disabled in (True, False):
        shop.operate(
            lambda d, r, is_disabled=is_disabled: member.set_disabled(d, r, name, disabled=is_disabled)
        )


def _use_second_factor(shop: Shop, mei: Member) -> None:
    app = enrolment_of(shop.runtime, mei.staff_id, mei.name, "token")
    code = TOTP(app.secret).at(shop.runtime.now())
    [recovery_code, *_] = shop.operate(lambda d, r: set_up_own(d, r, mei.staff_id, "token", code, mei.actor))
    shop.operate(lambda d, r: remove_own(d, r, mei.staff_id, recovery_code, mei.actor))


def _sell_and_look(shop: Shop, seller: Seller) -> None:
    """One ticket alone, two as an order; one of these is reissued, and the others are cancelled."""
    caller, batch_id = caller_of(seller), unique("SOLD")
    alone, *_ = past.generate(shop, seller, 4, batch_id=batch_id).tickets
    order_id = past.activate(shop, seller, alone.ticket_code).order_id
    name, email, phone = CUSTOMER
    draw = Draw(
        partner_id=caller.partner_id,
        actor=caller.actor,
        customer_name=name,
        customer_email=email,
        customer_phone=phone,
        payment_reference="PAY",
        batch_id=batch_id,
        quantity=2,
    )
    sold = shop.operate(lambda d, r: OrderMaker(d, r, Signers(d, r)).draw(draw))
    reissue = ReissueRequest(caller, REQUEST, sold.tickets[0].ticket_code, "The customer lost it")
    shop.operate(lambda d, r: Reissuer(d, r, Signers(d, r)).reissue(reissue))
    shop.operate(
        lambda d, r: record_qr_view(
            d,
            r,
            partner_id=seller.partner_id,
            ticket_code=alone.ticket_code,
            issue_number=1,
            actor="staff:1",
            request_id=REQUEST,
        )
    )
    shop.operate(
        lambda d, r: record_customer_views(d, r, order_ids=[order_id], actor="staff:1", request_id=REQUEST)
    )
    shop.operate(lambda d, r: Customers(d, r).export(CUSTOMER[1]))
    shop.operate(lambda d, r: Eraser(d, r).erase_email(CUSTOMER[1]))
    for code in (alone.ticket_code, sold.tickets[1].ticket_code):
        cancel = CancelRequest(caller, REQUEST, code, REASON)
        shop.operate(lambda d, r, cancel=cancel: Canceller(d, r).cancel(cancel))
    rest = CancelOrderRequest(caller, REQUEST, sold.order_id, REASON)
    shop.operate(lambda d, r: OrderCanceller(d, r).cancel(rest))
    wanted, exporter = TicketsToExport(seller.partner_id, batch_id), Exporter(caller.actor, REQUEST)
    shop.operate(lambda d, r: record_export(d, r, wanted, exporter, form="csv"))
    part = replace(wanted, statuses=["ACTIVE"])
    shop.operate(lambda d, r: record_export(d, r, part, exporter, form="pdf", part=2))


def _redeem(shop: Shop, seller: Seller) -> None:
    """One scan with network; then three without: of a ticket that may be used, of one that was used, and of no time."""
    [ticket] = past.generate(shop, seller, 1).tickets
    past.activate(shop, seller, ticket.ticket_code)
    # A shorter way to a ticket whose last day of use is over.
    late_product = shop.product(seller.channel, 10, usable_days=0)
    [late] = past.generate(shop, replace(seller, product_id=late_product), 1).tickets
    past.activate(shop, seller, late.ticket_code)
    caller = GateCaller("key:7", None, frozenset(), 7, uploaded_by="staff:1")
    scan = Scan(
        caller,
        REQUEST,
        PresentedTicket(ticket.ticket_code, 1),
        "gift",
        1,
        "GATE-1",
        unique("scan"),
        Entry.SCAN,
    )
    shop.operate(lambda d, r: Redeemer(d, r).redeem(scan))
    now = shop.runtime.now()
    entries = [
        OfflineScan(unique("off"), late.token, "gift", 1, now),
        OfflineScan(unique("off"), ticket.token, "gift", 1, now),
        OfflineScan(unique("off"), ticket.token, "ferry", 1, None),
    ]
    tomorrow = later(shop, timedelta(days=2))
    tomorrow.operate(
        lambda d, r: Syncer(d, r, Verifiers(d, r), GateRules()).sync(
            Device(caller, REQUEST, "GATE-2"), list(entries)
        )
    )


def _hold(shop: Shop, seller: Seller) -> str:
    request = ReservationRequest(caller_of(seller), REQUEST, seller.product_id, 2)
    held = shop.operate(lambda d, r: Reservations(d, r).reserve(request))
    return held.reservation_id


def _reserve(shop: Shop, seller: Seller) -> None:
    used, released, _ = (_hold(shop, seller) for _ in range(3))
    past.generate(shop, seller, 1, reservation_id=used)
    release = ReleaseRequest(caller_of(seller), REQUEST, released)
    shop.operate(lambda d, r: Reservations(d, r).release(release))
    later(shop, timedelta(days=2)).operate(lambda d, r: expire_holds(d, r, seller.product_id, seller.channel))


def _end_batches(shop: Shop, seller: Seller) -> None:
    batch_id = past.generate(shop, seller, 2).batch_id
    cancel = CancelBatchRequest(caller_of(seller), REQUEST, batch_id, REASON)
    shop.operate(lambda d, r: BatchCanceller(d, r).cancel(cancel))
    past.generate(shop, seller, 1, valid_until=shop.runtime.today())
    past.expire(later(shop, timedelta(days=2)))


def _make_large(shop: Shop, seller: Seller) -> None:
    """One that is made; one that is stopped; one that is cancelled before anything of it is made."""
    make(shop, seller, 2, batch_id=unique("LARGE"))
    for end in ("stop", "cancel"):
        wanted = BatchRequest(
            seller.product_id, 2, unique("LARGE"), is_large=True, reservation_id=_hold(shop, seller)
        )
        shop.operate(
            lambda d, r, wanted=wanted: LargeBatches(d, r, Signers(d, r)).begin(whose(seller), wanted)
        )
        if end == "stop":
            shop.operate(
                lambda d, r, wanted=wanted: LargeBatches(d, r, Signers(d, r)).stop(
                    whose(seller), wanted.batch_id
                )
            )
        else:
            cancel = CancelBatchRequest(caller_of(seller), REQUEST, wanted.batch_id, REASON)
            shop.operate(lambda d, r, cancel=cancel: BatchCanceller(d, r).cancel(cancel))


def _change_signing_keys(shop: Shop) -> None:
    shop.operate(rotate_signing_key)
    shop.sql("UPDATE signing_keys SET created_at = created_at - %s", timedelta(seconds=RETIRE_AFTER_SECONDS))
    shop.operate(lambda d, r: retire_signing_key(d, r, "K1"))
    shop.operate(begin_incarnation)
    shop.sql("UPDATE signing_keys SET seed = %s, sealed_seed = NULL WHERE key_id = 'K1'", bytes(32))
    shop.operate(seal_signing_keys)


def later(shop: Shop, by: timedelta) -> Shop:
    """The same shop at a later time."""
    now = datetime.now(UTC) + by
    return replace(shop, runtime=Runtime(ZoneInfo("UTC"), now=lambda: now))
