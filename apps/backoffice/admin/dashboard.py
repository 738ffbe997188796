"""The sidebar, the label of the environment, and the dashboard of the back office."""

from collections.abc import Callable
from datetime import datetime, time, timedelta
from functools import cache as remember
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.cache import cache
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from apps.backoffice.admin.money_states import PERMISSION, explained_tile
from apps.backoffice.admin.sales import PERMISSION as SALES_PERMISSION
from apps.core import audit_runs, backlog, clock, handler_runs, incidents
from apps.core.admin_site import age, ago
from apps.core.dates import format_instant
from apps.core.models import HandlerRun, Incident
from apps.core.money import rupees
from apps.core.queues import is_urgent
from apps.fulfilment import selectors as fulfilment
from apps.ledger import selectors as ledger
from apps.notifications.models import Notification
from apps.notifications.states import NotificationStatus
from apps.orders.admin import ORDER_TONES
from apps.orders.models import Order
from apps.orders.states import OrderStatus
from apps.payments import selectors as payments
from apps.payments.services import WEBHOOKS_MISSING

#: Groups of the sidebar: title, then model label and icon. A model that is not listed goes under "More".
_MENU: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Sales",
        (
            ("orders.order", "receipt_long"),
            ("fulfilment.shipment", "package_2"),
            ("invoicing.invoice", "description"),
            ("invoicing.invoicefile", "attach_file"),
        ),
    ),
    (
        "Money",
        (
            ("payments.payment", "payments"),
            ("payments.paymentattempt", "credit_card"),
            ("payments.refund", "undo"),
            ("payments.dispute", "gavel"),
            ("ledger.ledgertransaction", "menu_book"),
            ("ledger.account", "account_balance"),
            ("ledger.balancecheckpoint", "flag"),
            ("settlements.settlement", "account_balance"),
            ("settlements.settlementline", "receipt"),
            ("settlements.settlementimport", "upload_file"),
            ("settlements.feerate", "price_change"),
            ("settlements.feecheck", "fact_check"),
            ("settlements.bankline", "receipt_long"),
            ("settlements.bankstatementimport", "upload_file"),
            ("ledger.reconciliationexception", "rule"),
            ("payments.webhook", "webhook"),
            ("payments.paymentdowntime", "cloud_off"),
        ),
    ),
    (
        "Catalogue",
        (
            ("catalog.product", "inventory_2"),
            ("catalog.variant", "sell"),
            ("catalog.category", "category"),
            ("catalog.location", "warehouse"),
            ("catalog.stockmovement", "swap_vert"),
            ("catalog.reservation", "bookmark"),
        ),
    ),
    (
        "People",
        (
            ("accounts.user", "person"),
            ("accounts.address", "home_pin"),
            ("accounts.session", "devices"),
            ("accounts.challenge", "password"),
            ("auth.group", "groups"),
            ("notifications.notification", "sms"),
        ),
    ),
    (
        "Tax",
        (
            ("tax.registration", "storefront"),
            ("tax.taxrate", "percent"),
            ("invoicing.numberseries", "format_list_numbered"),
        ),
    ),
    (
        "Operations",
        (
            ("core.incident", "emergency"),
            ("core.event", "history"),
            ("core.handlerrun", "outbox"),
            ("core.outbox", "move_to_inbox"),
            ("core.auditrun", "verified"),
            ("core.idempotencykey", "key"),
        ),
    ),
)
#: Pages that stand before the list of a model, for who may look at it: their title, icon and URL name.
_PAGES_OF_MODELS = {
    "fulfilment.shipment": ("Parcels to send", "local_shipping", "fulfilment_to_pack"),
    "settlements.feecheck": ("Fee audit", "query_stats", "fees_by_month"),
}
#: The numbers are read at most this often, however many look.
_CACHE_SECONDS = 15
_MAX_COUNTED = 1000


def environment(_: HttpRequest) -> tuple[str, str]:
    """Return the label next to the user's name, so that nobody mistakes one installation for another."""
    return {"production": ("Production", "danger"), "staging": ("Staging", "warning")}.get(
        settings.ENVIRONMENT, ("Development", "info")
    )


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the menu, with what this member of staff may look at."""
    shown = {model._meta.label_lower: model for model, page in admin.site._registry.items() if _can_view(page, request)}
    groups = [_home(request)]
    for title, entries in _MENU:
        items = [item for label, icon in entries if label in shown for item in _entries(shown.pop(label), icon)]
        if items:
            groups.append({"title": title, "separator": False, "items": items})
    if shown:
        groups.append(
            {"title": "More", "separator": False, "items": [_entry(model, "table") for model in shown.values()]}
        )
    return groups


def _home(request: HttpRequest) -> dict[str, Any]:
    sales = {"title": "Sales figures", "icon": "monitoring", "link": reverse("admin:sales")}
    return {
        "items": [
            {"title": "Dashboard", "icon": "space_dashboard", "link": reverse("admin:index")},
            *([sales] if request.user.has_perm(SALES_PERMISSION) else []),
            {"title": "API documentation", "icon": "api", "link": reverse("api-docs"), "active": lambda _: False},
        ]
    }


def _can_view(page: Any, request: HttpRequest) -> bool:
    return bool(page.has_view_permission(request))


def _entries(model: type[models.Model], icon: str) -> list[dict[str, Any]]:
    """Return the entry of a model, after that of the page before its list if there is one."""
    entry = _entry(model, icon)
    if model._meta.label_lower not in _PAGES_OF_MODELS:
        return [entry]
    title, page_icon, name = _PAGES_OF_MODELS[model._meta.label_lower]
    page, of_list = reverse(f"admin:{name}"), entry["link"]
    entry["active"] = lambda request: request.path.startswith(of_list) and request.path != page
    return [{"title": title, "icon": page_icon, "link": page, "active": lambda request: request.path == page}, entry]


def _entry(model: type[models.Model], icon: str) -> dict[str, Any]:
    link = _list_path(model)
    title = str(model._meta.verbose_name_plural)
    # Compared whole, since "/payments/payment" also begins "/payments/paymentattempt".
    return {
        "title": title[:1].upper() + title[1:],
        "icon": icon,
        "link": link,
        "active": lambda request: request.path.startswith(link),
    }


@remember
def _list_path(model: type[models.Model]) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add the tiles and the latest orders, as far as this member of staff may see them."""
    numbers = cache.get_or_set("back-office:numbers", _numbers, _CACHE_SECONDS) or _numbers()
    if request.user.has_perm(PERMISSION):
        numbers = {**numbers, "explained": explained_tile()}
    tiles = [
        {"title": title, "figure": numbers[name][0], "note": numbers[name][1], "tone": numbers[name][2], "href": href}
        for permission, name, title, href in _tiles()
        if request.user.has_perm(permission)
    ]
    can_view_orders = request.user.has_perm("orders.view_order")
    return {**context, "tiles": tiles, "latest_orders": _latest_orders() if can_view_orders else None}


def _tiles() -> list[tuple[str, str, str, str]]:
    wanted = (
        ("orders.view_order", "today", "Orders today", "orders_order", ""),
        ("orders.view_order", "awaiting", "Awaiting payment", "orders_order", "?status__exact=pending_payment"),
        ("fulfilment.view_shipment", "to_send", "Parcels to send", "fulfilment_shipment", "to-pack/"),
        ("payments.view_refund", "approve", "Refunds to approve", "payments_refund", "?todo=approve"),
        ("payments.view_refund", "failed", "Refunds failed", "payments_refund", "?todo=failed"),
        (
            "payments.view_paymentattempt",
            "doubt",
            "Money that needs attention",
            "payments_paymentattempt",
            "needs-attention/",
        ),
        (
            "ledger.view_reconciliationexception",
            "exceptions",
            "Exceptions open",
            "ledger_reconciliationexception",
            "?state=open",
        ),
        (PERMISSION, "explained", "Money explained three ways", "", ""),
        ("payments.view_dispute", "disputes", "Disputes due", "payments_dispute", "?status__exact=open"),
        ("payments.view_webhook", "webhooks", "Last webhook", "payments_webhook", ""),
        ("payments.view_paymentdowntime", "downtimes", "Payment downtimes", "payments_paymentdowntime", "?state=open"),
        ("core.view_incident", "incidents", "Incidents", "core_incident", "?state=open"),
        ("core.view_handlerrun", "waiting", "Buyers wait for workers", "core_handlerrun", "?state=open"),
        ("core.view_handlerrun", "parked", "Parked handler runs", "core_handlerrun", "?state=parked"),
        (
            "notifications.view_notification",
            "unsent",
            "Messages not sent",
            "notifications_notification",
            "?sending=not_sent",
        ),
        ("core.view_auditrun", "audit", "Last audit", "core_auditrun", ""),
    )
    return [
        (
            permission,
            name,
            title,
            _changelist(page) + (query if _changelist(page) else "") if page else reverse("admin:money_states"),
        )
        for permission, name, title, page, query in wanted
    ]


def _changelist(page: str) -> str:
    try:
        return reverse(f"admin:{page}_changelist")
    except NoReverseMatch:
        return ""


def _numbers() -> dict[str, tuple[str, str, str]]:
    """Return figure, note and tone of each tile: a handful of short index scans."""
    now = clock.now()
    midnight = datetime.combine(clock.ist_date(now), time(), tzinfo=clock.IST)
    orders = Order.objects.filter(created_at__gte=midnight).order_by()
    confirmed = orders.exclude(confirmed_at=None).aggregate(total=models.Sum("paid_amount"))["total"] or 0
    awaiting = Order.objects.filter(status=OrderStatus.PENDING_PAYMENT).order_by()
    parked = HandlerRun.objects.filter(parked_at__isnull=False)
    recently = now - timedelta(days=1)
    unsent = Notification.objects.filter(
        status__in=[NotificationStatus.FAILED, NotificationStatus.UNKNOWN], created_at__gte=recently
    )
    open_incidents = list(incidents.list_open_incidents()[: _MAX_COUNTED + 1])
    return {
        "today": (_count(orders), f"{rupees(confirmed)} collected", ""),
        "awaiting": (_count(awaiting), "placed and not paid yet", ""),
        "to_send": _parcels_to_send(),
        **_money_tiles(),
        "incidents": _incidents(open_incidents),
        "webhooks": _webhooks(now, open_incidents),
        "downtimes": _alert_tile(
            str(payments.count_current_downtimes(now=now)),
            good="every payment method works",
            bad="payments by these methods may fail",
            tone="",
        ),
        "waiting": _waiting(),
        "parked": _alert_tile(
            _count(parked), good="every event has been handled", bad=f"after {handler_runs.MAX_STARTS} attempts each"
        ),
        "unsent": _alert_tile(_count(unsent), good="in the last 24 hours", bad="in the last 24 hours"),
        "audit": _audit(now),
    }


def _waiting() -> tuple[str, str, str]:
    """Return for how long the most urgent work has waited for a worker, and whether new work is refused for that."""
    measured = backlog.read()
    if not measured:
        return ("unknown", "the relay does not run, or Redis is away", "")
    longest = max(each.wait_seconds for queue, each in measured.items() if is_urgent(queue))
    if backlog.find_overloaded(measured):
        return (f"{longest:.0f} s", "customers' orders and payments are refused", "bad")
    return (f"{longest:.0f} s", "payments, log-in codes and webhooks", "")


def _parcels_to_send() -> tuple[str, str, str]:
    """Return how many orders are to be packed, and how many parcels wait for their carrier."""
    parcels = _count(fulfilment.list_shipments_to_dispatch().order_by())
    note = f"paid orders to pack; {parcels} {'parcel' if parcels == '1' else 'parcels'} to dispatch"
    return (_count(fulfilment.list_orders_to_pack()), note, "")


def _money_tiles() -> dict[str, tuple[str, str, str]]:
    """Return what somebody has to do about refunds, or about money that is not where it should be."""
    reviews, refunds = payments.list_attempts_to_review(), payments.list_unknown_refunds()
    doubts = reviews.values("pk").union(refunds.values("pk"), payments.list_unknown_payments().values("pk"), all=True)
    exceptions = ledger.list_exceptions(is_open=True).order_by()
    return {
        "approve": _alert_tile(
            _count(payments.list_refunds_to_approve()),
            good="none awaits approval",
            bad="awaiting a second person",
            tone="",
        ),
        "failed": _alert_tile(
            _count(payments.list_refunds_to_retry_or_transfer()),
            good="no refund has failed",
            bad="retry, or pay by bank transfer",
        ),
        "doubt": _alert_tile(
            _count(doubts), good="nothing awaits a decision", bad="awaiting a decision or the gateway"
        ),
        "disputes": _alert_tile(
            str(payments.count_disputes_awaiting_response()),
            good="none needs a response",
            bad="respond before the deadline",
        ),
        "exceptions": _alert_tile(
            _count(exceptions), good="reports and books agree", bad="reports and books do not agree"
        ),
    }


def _incidents(open_incidents: list[Incident]) -> tuple[str, str, str]:
    """Return what is open, and what the oldest is about."""
    if not open_incidents:
        return ("0", "no incident is open", "")
    oldest = open_incidents[0]
    return (_capped(len(open_incidents)), f"{oldest.kind.replace('_', ' ')}: {oldest.key}"[:60], "bad")


def _webhooks(now: datetime, open_incidents: list[Incident]) -> tuple[str, str, str]:
    """Return when the gateway last sent a webhook, and whether that is too long ago."""
    at = payments.last_webhook_at()
    figure = "None yet" if at is None else age(at, now)
    if any((row.kind, row.key) == (WEBHOOKS_MISSING, settings.PAYMENT_GATEWAY) for row in open_incidents):
        return (figure, "the gateway's webhooks are missing: check its dashboard", "bad")
    return (figure, "since the last webhook of the gateway", "")


def _count(rows: "models.QuerySet[Any]") -> str:
    return _capped(rows[: _MAX_COUNTED + 1].count())


def _capped(number: int) -> str:
    return f"{_MAX_COUNTED}+" if number > _MAX_COUNTED else str(number)


def _alert_tile(figure: str, *, good: str, bad: str, tone: str = "bad") -> tuple[str, str, str]:
    return (figure, good, "") if figure == "0" else (figure, bad, tone)


def _audit(now: datetime) -> tuple[str, str, str]:
    state = audit_runs.find_state()
    if state is None:
        return ("none", "no audit has run yet", "")
    at = ago(state.started_at, now)
    if state.whole_started_at is not None and state.whole_started_at != state.started_at:
        at = f"{at}; of all orders {ago(state.whole_started_at, now)}"
    if state.violated:
        return (f"{len(state.violated)} failed", f"of {state.checked} checks of the books, {at}", "bad")
    return ("Passed", f"{state.checked} checks of the books, {at}", "good")


def _latest_orders() -> list[dict[str, Any]]:
    link: Callable[[Order], str] = lambda order: reverse("admin:orders_order_change", args=[order.pk])  # noqa: E731
    has_page = bool(_changelist("orders_order"))
    latest = Order.objects.select_related("customer").order_by("-created_at", "-id")[:8]
    return [
        {
            "href": link(order) if has_page else "",
            "number": order.number,
            "customer": str(order.customer),
            "status": order.get_status_display(),
            "tone": ORDER_TONES[order.status],
            "total": rupees(order.total_amount),
            "placed_at": format_instant(order.placed_at),
        }
        for order in latest
    ]
