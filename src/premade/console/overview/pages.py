"""The overview: sales, stock and findings that need attention."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from markupsafe import Markup
from starlette.responses import Response

from premade.catalog.product import list_products
from premade.console.actors import names_of_staff
from premade.console.addresses import HOME, go_to
from premade.console.gate.pages import GATE
from premade.console.overview.chart import Amount, Chart, chart_of_days
from premade.console.rendering import Templates, in_money
from premade.console.routing import Page, StaffRequest
from premade.console.url_params import partner_id_param
from premade.monitoring.figures import Figures, Sales, activation_rate, read_figures, seconds_left
from premade.monitoring.figures_sql import RefusalCount, StockFigures
from premade.monitoring.finding import Finding
from premade.monitoring.findings import findings
from premade.partners.partner import PartnerUnknown, partners_by_id
from premade.partners.partner_sql import PartnerRow
from premade.redemption.counts import GateCountKind
from premade.runtime.errors import FieldError, Invalid
from premade.staff.role import Right
from premade.texts import formats
from premade.texts.fields import field_text
from premade.texts.translation import Text, lazy
from premade.texts.translation import gettext as _

PERIODS_DAYS = (7, 30, 90)
PERIOD_DAYS = 30
FINDINGS_SHOWN_MAX = 20
STOCK_ROWS_SHOWN_MAX = 50
CODES_SHOWN_MAX = 10
TEST_PARTNERS_SHOWN_MAX = 3
_DAY_SECONDS = 86_400
GATE_COUNT_NAMES = {
    GateCountKind.FORGED: lazy("QR code forged or of another system"),
    GateCountKind.UNKNOWN: lazy("Unknown ticket"),
    GateCountKind.UNREADABLE: lazy("Unreadable entry"),
    GateCountKind.WRONG_DIGITS: lazy("Code and digits do not match"),
    GateCountKind.REPEATED: lazy("Further conflict of a ticket with many in the audit record"),
    GateCountKind.LATE: lazy("Scan uploaded after the ticket's last day"),
}


@dataclass(frozen=True)
class _OverviewPage:
    partners: dict[int, PartnerRow]
    chosen: int | None
    days: int
    periods: tuple[int, ...]
    testers_max: int
    products: dict[int, str]
    figures: Figures
    rate: float | None
    sold: int
    money: dict[str, Decimal]
    refused: int
    findings: "list[_ShownFinding]"
    findings_left: int
    charts: "list[_ShownChart]"
    stock: "list[_ShownStock]"
    stock_left: int
    codes: list[tuple[str, int]]
    gate_count_names: Mapping[GateCountKind, Text]
    names: dict[str, str]


async def _overview(request: StaffRequest) -> Response:
    if not request.member.may(Right.SEE_SALES):
        return go_to(GATE if request.member.may(Right.USE_GATE) else f"{HOME}/account")
    partner_id, days = partner_id_param(request), _days_param(request)
    partners = await partners_by_id(request.database)
    if partner_id is not None and partner_id not in partners:
        raise PartnerUnknown("not_listed", partner_id)
    figures = await read_figures(request.database, request.runtime, partner_id, days)
    found = findings(figures)
    products = {each.product_id: each.name for each in await list_products(request.database)}
    today = request.runtime.today()
    return request.page(
        "overview/overview.html",
        _OverviewPage(
            partners=partners,
            chosen=partner_id,
            days=days,
            periods=PERIODS_DAYS,
            testers_max=TEST_PARTNERS_SHOWN_MAX,
            products=products,
            figures=figures,
            rate=activation_rate(figures.unused, figures.activated),
            sold=sum(each.tickets for each in figures.sales_by_day),
            money=_by_currency(figures.sales_by_day),
            refused=sum(row.refused for row in figures.refusals),
            findings=[
                _shown(each, products.get(each.product_id or 0, ""), request.templates)
                for each in found[:FINDINGS_SHOWN_MAX]
            ],
            findings_left=max(0, len(found) - FINDINGS_SHOWN_MAX),
            charts=_charts(figures, today, days),
            stock=_stock(figures)[:STOCK_ROWS_SHOWN_MAX],
            stock_left=max(0, len(figures.stock) - STOCK_ROWS_SHOWN_MAX),
            codes=_codes(figures.refusals),
            gate_count_names=GATE_COUNT_NAMES,
            names=await names_of_staff(request.database, [each.owner for each in figures.gate_counts]),
        ),
    )


@dataclass(frozen=True)
class _ShownFinding:
    is_critical: bool
    headline: Markup
    advice: Markup


def _shown(found: Finding, product: str, templates: Templates) -> _ShownFinding:
    """Return the finding with the texts of its kind."""
    headline, advice = (
        templates.render_text(text, found=found, product=product)
        for text in (found.kind.headline, found.kind.advice)
    )
    return _ShownFinding(found.kind.is_critical, headline, advice)


def _days_param(request: StaffRequest) -> int:
    days = request.query("days") or str(PERIOD_DAYS)
    if days not in map(str, PERIODS_DAYS):
        raise Invalid(
            [FieldError("days", field_text("general.one_of", choices=", ".join(map(str, PERIODS_DAYS))))]
        )
    return int(days)


def _by_currency(sales: list[Sales[date]]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for each in sales:
        sums[each.currency] += each.amount
    return dict(sorted(sums.items()))


@dataclass(frozen=True)
class _ShownChart:
    heading: str
    kind: str
    unit: str
    """Heading of the figures in the table."""
    chart: Chart


def _charts(figures: Figures, today: date, days: int) -> list[_ShownChart]:
    """Return the charts of tickets, of the money of each currency, and of refusals."""
    tickets: dict[date, Amount] = defaultdict(int)
    for each in figures.sales_by_day:
        tickets[each.key] += each.tickets
    refused: dict[date, Amount] = defaultdict(int)
    for row in figures.refusals:
        refused[row.day] += row.refused

    def drawn(heading: str, kind: str, of_days: dict[date, Amount], unit: str) -> _ShownChart:
        chart = chart_of_days(of_days, today, days, lambda value: formats.number(int(value)))
        return _ShownChart(heading, kind, unit, chart)

    charts = [drawn(_("Tickets sold a day"), "sold", tickets, _("Tickets"))]
    for currency in _by_currency(figures.sales_by_day):
        amounts: dict[date, Amount] = {
            each.key: each.amount for each in figures.sales_by_day if each.currency == currency
        }
        chart = chart_of_days(amounts, today, days, lambda value, of=currency: in_money(Decimal(value), of))
        heading = _("Sales a day in %(currency)s", currency=currency)
        charts.append(_ShownChart(heading, "money", currency, chart))
    return [*charts, drawn(_("Refused requests a day"), "refused", refused, _("Refusals"))]


@dataclass(frozen=True)
class _ShownStock:
    figures: StockFigures
    days_left: float | None
    """None: nobody generates tickets of it."""


def _stock(figures: Figures) -> list[_ShownStock]:
    """Return the stock that runs out first first; stock that nobody uses comes last."""
    rows = [_ShownStock(row, _days_left(row)) for row in figures.stock]
    return sorted(rows, key=lambda row: (row.days_left is None, row.days_left or 0, row.figures.product_id))


def _days_left(row: StockFigures) -> float | None:
    seconds = seconds_left(row)
    return None if seconds is None else seconds / _DAY_SECONDS


def _codes(refusals: list[RefusalCount]) -> list[tuple[str, int]]:
    """Return the most frequent codes and their numbers."""
    sums: dict[str, int] = defaultdict(int)
    for row in refusals:
        sums[row.code] += row.refused
    return sorted(sums.items(), key=lambda each: (-each[1], each[0]))[:CODES_SHOWN_MAX]


PAGES = [Page(HOME, _overview)]
