"""The registry of the console's pages, in the order of the menu. A new page is one module with PAGES, and one line here."""

from premade.console.account import pages as account
from premade.console.account import second_factor
from premade.console.addresses import HOME
from premade.console.audit import pages as audit
from premade.console.batches import changes as batch_changes
from premade.console.batches import exports as batch_exports
from premade.console.batches import new as new_batch
from premade.console.batches import pages as batches
from premade.console.customers import pages as customers
from premade.console.devices import pages as devices
from premade.console.gate import pages as gate
from premade.console.overview import pages as overview
from premade.console.partners import changes as partner_changes
from premade.console.partners import keys, own_limits
from premade.console.partners import pages as partners
from premade.console.routing import Section
from premade.console.staff import pages as staff
from premade.console.stock import allotments, functions, products, reservations
from premade.console.stock import pages as stock
from premade.console.tickets import changes as ticket_changes
from premade.console.tickets import pages as tickets
from premade.staff.role import Right
from premade.texts.translation import lazy

SECTIONS = [
    Section(lazy("Overview"), HOME, Right.SEE_SALES, [overview.PAGES], icon="squares-2x2"),
    Section(
        lazy("Tickets and orders"),
        tickets.TICKETS,
        Right.SEE_SALES,
        [tickets.PAGES, ticket_changes.PAGES],
        icon="ticket",
    ),
    Section(
        lazy("Batches"),
        batches.BATCHES,
        Right.SEE_SALES,
        [batches.PAGES, new_batch.PAGES, batch_changes.PAGES, batch_exports.PAGES],
        icon="rectangle-stack",
    ),
    Section(
        lazy("Stock"),
        products.STOCK,
        Right.SEE_STOCK,
        [stock.PAGES, products.PAGES, functions.PAGES, allotments.PAGES, reservations.PAGES],
        icon="archive-box",
    ),
    Section(
        lazy("Partners"),
        partners.PARTNERS,
        Right.SEE_PARTNERS,
        [partners.PAGES, partner_changes.PAGES, own_limits.PAGES, keys.PAGES],
        icon="building-storefront",
    ),
    Section(lazy("Gate"), gate.GATE, Right.USE_GATE, [gate.PAGES], routes=gate.routes, icon="qr-code"),
    Section(
        lazy("Gate devices"),
        devices.DEVICES,
        Right.MANAGE_DEVICES,
        [devices.PAGES],
        icon="device-phone-mobile",
    ),
    Section(lazy("Audit"), audit.AUDIT, Right.SEE_AUDIT, [audit.PAGES], icon="clipboard-document-list"),
    Section(
        lazy("Customers"),
        customers.CUSTOMERS,
        Right.MANAGE_CUSTOMERS,
        [customers.PAGES],
        icon="identification",
    ),
    Section(lazy("Staff"), staff.STAFF, Right.MANAGE_STAFF, [staff.PAGES], icon="users"),
    Section(
        lazy("Account"),
        account.ACCOUNT,
        None,
        [account.PAGES, second_factor.PAGES],
        is_in_menu=False,
        routes=account.sign_in_routes,
    ),
]
