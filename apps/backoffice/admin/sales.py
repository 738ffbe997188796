"""The page "Sales figures": sales of a period, what needs a decision, sales by day as a picture, best-sellers and top customers."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from apps.backoffice import messages
from apps.backoffice.models import BestSeller, TopCustomer
from apps.backoffice.rules import Days
from apps.backoffice.selectors import sales as selectors
from apps.backoffice.selectors.attention import MAX_COUNTED, Attention, count_what_needs_attention
from apps.backoffice.selectors.sales import DaySales, Figures, PeriodSales, ProjectionsNotBuilt, Sales
from apps.backoffice.states import Period
from apps.core import clock
from apps.core.admin_panels import without_empty_columns
from apps.core.admin_site import SitePage, add_site_page, link, site_context
from apps.core.dates import format_day, format_time
from apps.core.money import group_digits, rupees
from apps.core.quantities import to_units

PERMISSION = "backoffice.view_dailysales"
_RANKED = 10
#: Figures that are later than that are said to be late: the refresh is due every ten seconds.
_LATE = timedelta(minutes=2)
#: The height of the picture, in units of its own.
_HEIGHT = 100


def sales(request: HttpRequest) -> HttpResponse:
    """Show the sales of the period in the address, of today if it names none."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = clock.now()
    context = {**site_context(request), "title": "Sales figures"}
    try:
        found = selectors.get_sales(now=now)
    except ProjectionsNotBuilt as error:
        return TemplateResponse(request, "admin/sales.html", {**context, "not_built": error.text})
    period = _read_period(request.GET.get("period", ""))
    chosen = next(each for each in found.periods if each.period is period)
    return TemplateResponse(request, "admin/sales.html", {
        **context,
        **_freshness(found, now),
        "periods": [
            {"title": each.period.label, "href": f"?period={each.period.value}", "is_chosen": each is chosen}
            for each in found.periods
        ],
        "days": _describe_days(chosen.days),
        "tiles": _tiles(chosen),
        "attention": _attention(request, count_what_needs_attention()),
        "picture": _picture(found.days),
        "rankings": [_best_sellers(request, period), _top_customers(request, period)],
    })  # fmt: skip


def _read_period(text: str) -> Period:
    return Period(text) if text in Period.values else Period.TODAY


def _freshness(found: Sales, now: datetime) -> dict[str, Any]:
    """Return up to when the figures count all, and what to do if that is too long ago."""
    is_late = now - found.as_of > _LATE
    return {
        "as_of": f"{format_day(clock.ist_date(found.as_of))}, {format_time(found.as_of)}",
        "late": messages.FIGURES_ARE_LATE if is_late else "",
    }


def _describe_days(days: Days) -> str:
    return format_day(days.last) if days.first == days.last else f"{format_day(days.first)} to {format_day(days.last)}"


def _tiles(chosen: PeriodSales) -> list[dict[str, str]]:
    figures: Figures = chosen.figures
    return [
        _tile("Sales", rupees(figures.sales_amount), "totals of the orders confirmed"),
        _tile("Money taken", rupees(figures.captured_amount), "captured, for orders of any day"),
        _tile("Refunds", rupees(figures.refunded_amount), "processed, for orders of any day"),
        _tile("Orders placed", group_digits(figures.placed), f"{group_digits(figures.expired)} expired"),
        _tile(
            "Orders confirmed",
            group_digits(figures.confirmed),
            f"{rupees(figures.average_order_amount)} on average" if figures.confirmed else "",
        ),
        _tile("Orders cancelled", group_digits(figures.cancelled), "paid or not"),
    ]


def _tile(title: str, figure: str, note: str = "", href: str = "", tone: str = "") -> dict[str, str]:
    return {"title": title, "figure": figure, "note": note, "href": href, "tone": tone}


def _attention(request: HttpRequest, found: Attention) -> list[dict[str, str]]:
    """Return what needs a decision, with the list of it, as far as this member of staff may see that."""
    kinds = (
        (
            "ledger.view_reconciliationexception", "Exceptions open", found.open_exceptions,
            reverse("admin:ledger_reconciliationexception_changelist") + "?state=open",
        ),
        (
            "payments.view_paymentattempt", "Payments under review", found.payment_reviews,
            reverse("admin:payments_needing_attention"),
        ),
        (
            "payments.view_refund", "Refunds failed", found.failed_refunds,
            reverse("admin:payments_refund_changelist") + "?todo=failed",
        ),
    )  # fmt: skip
    return [
        _tile(title, _capped(count), "awaiting a decision" if count else "none", href, "bad" if count else "")
        for permission, title, count, href in kinds
        if request.user.has_perm(permission)
    ]


def _capped(count: int) -> str:
    return f"{group_digits(MAX_COUNTED)}+" if count > MAX_COUNTED else str(count)


def _picture(days: Sequence[DaySales]) -> dict[str, Any]:
    """Return the bars of the picture: a unit wide for each day, the highest as high as the picture."""
    highest = max(day.figures.sales_amount for day in days)
    bars = []
    for number, each in enumerate(days):
        amount = each.figures.sales_amount
        # A day with any sales shows: one part in a hundred of the picture at least.
        height = max(1, amount * _HEIGHT // highest) if amount else 0
        text = messages.sales_of_day(each.day, amount, each.figures.confirmed)
        bars.append({"x": number, "y": _HEIGHT - height, "height": height, "text": text})
    middle = days[len(days) // 2]
    return {
        "bars": bars,
        "width": len(days),
        "height": _HEIGHT,
        "highest": rupees(highest),
        "days": [format_day(each.day) for each in (days[0], middle, days[-1])],
        "text": messages.sales_picture(highest) if highest else "",
    }


def _best_sellers(request: HttpRequest, period: Period) -> dict[str, Any]:
    rows = [
        (_variant(request, row), group_digits(to_units(row.quantity_milli)), rupees(row.sales_amount))
        for row in selectors.list_best_sellers(period)[:_RANKED]
    ]
    return {
        "title": "Best-sellers",
        "empty": "Nothing was sold.",
        **without_empty_columns(("Variant", "Units", "Sales"), rows),
    }


def _variant(request: HttpRequest, row: BestSeller) -> Any:
    name = " ".join(part for part in (row.variant.product.name, row.variant.title) if part)
    text = f"{name} ({row.variant.sku})"
    if not request.user.has_perm("catalog.view_variant"):
        return text
    return link(reverse("admin:catalog_variant_change", args=[row.variant_id]), text)


def _top_customers(request: HttpRequest, period: Period) -> dict[str, Any]:
    rows = [
        (_customer(request, row), group_digits(row.orders), rupees(row.sales_amount))
        for row in selectors.list_top_customers(period)[:_RANKED]
    ]
    return {
        "title": "Top customers",
        "empty": "Nobody bought anything.",
        **without_empty_columns(("Customer", "Orders", "Sales"), rows),
    }


def _customer(request: HttpRequest, row: TopCustomer) -> Any:
    text = row.customer.name or row.customer.public_id
    if not request.user.has_perm("accounts.view_user"):
        return text
    return link(reverse("admin:accounts_user_change", args=[row.customer_id]), text)


add_site_page(SitePage(path="sales/", name="sales", view=sales))
