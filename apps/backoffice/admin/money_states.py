"""The page "Where the money is": captured money by state and age, down to the payment; and the tile that leads there."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode

from apps.backoffice import messages
from apps.backoffice.selectors import money_states as selectors
from apps.backoffice.selectors.money_states import BUCKETS, STATES, UNEXPLAINED, MoneyStates
from apps.backoffice.services.explained_money import LOOKS_BACK
from apps.backoffice.sql.money_states import MoneyLine
from apps.core import clock
from apps.core.admin_panels import without_empty_columns
from apps.core.admin_site import SitePage, add_site_page, link, site_context
from apps.core.dates import YEARS, format_day, format_instant
from apps.core.money import rupees

PERMISSION = "settlements.view_settlement"
_PAGE_SIZE = 50


def money_states(request: HttpRequest) -> HttpResponse:
    """Show where captured money is; with `state` in the address, the payments of that state."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    now = clock.now()
    at = _day_end(request.GET.get("as_of", ""), now)
    since = None if request.GET.get("all") else at - LOOKS_BACK
    state = request.GET.get("state", "")
    if state in STATES or state == UNEXPLAINED:
        section = _lines_section(request, state, at=at, since=since)
    else:
        section = _states_section(request, selectors.get_money_states(at=at, since=since))
    context = {
        **site_context(request),
        "title": "Where the money is",
        "sections": [section],
        "as_of": format_instant(at),
        "as_of_day": clock.ist_date(at).isoformat(),
        "is_all": since is None,
        "is_list": "after" in section,
        "state": state,
    }
    return TemplateResponse(request, "admin/money_report.html", context)


def _day_end(text: str, now: datetime) -> datetime:
    """Return the end of the day in the address, or now if it is today, no day, or in the future."""
    try:
        day = datetime.fromisoformat(text[:10]).replace(tzinfo=clock.IST)
    except ValueError:
        return now
    if day.year not in YEARS:
        return now
    return min(day + timedelta(days=1) - timedelta(milliseconds=1), now)


def _address(request: HttpRequest, **changes: str) -> str:
    """Return the address of the page with some parts of its query changed, and the place in a list dropped."""
    kept = {name: request.GET[name] for name in ("as_of", "all") if request.GET.get(name)}
    query = {name: value for name, value in {**kept, **changes}.items() if value}
    return f"{reverse('admin:money_states')}{'?' if query else ''}{urlencode(query)}"


def _states_section(request: HttpRequest, found: MoneyStates) -> dict[str, Any]:
    total = sum(state.amount for state in found.states)
    rows = [
        (
            link(_address(request, state=state.name), state.name.capitalize()),
            f"{state.count:,}",
            rupees(state.amount),
            *(rupees(state.by_age[name]) if state.by_age[name] else "" for name in BUCKETS),
            rupees(state.unattributed_amount) if state.unattributed_amount else "",
        )
        for state in found.states
    ]
    return {
        "title": found.title,
        **without_empty_columns(
            ("State", "Payments", "Amount", *(f"{name} working days old" for name in BUCKETS), "Of no payment"),
            [*rows, ("Sum", f"{found.captured_count:,}", rupees(total), *[""] * (len(BUCKETS) + 1))],
        ),
        "meanings": [(name.capitalize(), text) for name, text in STATES.items()],
        "note": found.goal_text,
        "is_bad": bool(found.difference) or not found.is_goal_met,
        "unexplained": _address(request, state=UNEXPLAINED) if found.due_amount != found.explained_amount else "",
        "difference": messages.states_differ(found.difference) if found.difference else "",
        "empty": "",
    }


def _lines_section(request: HttpRequest, state: str, *, at: datetime, since: datetime | None) -> dict[str, Any]:
    page = selectors.iterate_money_lines(
        state=state, at=at, since=since, after=_place(request.GET.get("after", "")), limit=_PAGE_SIZE + 1
    )
    lines = list(page)
    shown = lines[:_PAGE_SIZE]
    has_more = len(lines) > _PAGE_SIZE
    last = f"{shown[-1].captured_at.isoformat()}|{shown[-1].attempt_id}" if has_more else ""
    what = STATES.get(state, "not explained three ways")
    return {
        "title": what[:1].upper() + what[1:],
        **without_empty_columns(
            ("Order", "Payment", "Captured on", "Captured", "In this state", "Settlement"),
            [_row(line) for line in shown],
        ),
        "empty": "No payment has money in this state.",
        "after": _address(request, state=state, after=last) if has_more else "",
        "back": _address(request),
    }


def _place(text: str) -> tuple[datetime, UUID] | None:
    """Return where a list goes on, or None for its beginning, also if the address is damaged."""
    at, _, row_id = text.partition("|")
    try:
        place = datetime.fromisoformat(at), UUID(row_id)
    except ValueError:
        return None
    return place if place[0].tzinfo and place[0].year in YEARS else None


def _row(line: MoneyLine) -> tuple[Any, ...]:
    return (
        link(reverse("admin:orders_order_change", args=[line.order_id]), line.order_number),
        link(reverse("admin:payments_paymentattempt_change", args=[line.attempt_id]), line.gateway_payment_id),
        format_day(clock.ist_date(line.captured_at)),
        rupees(line.captured_amount),
        rupees(line.amount),
        line.settlement or "none",
    )


def explained_tile() -> tuple[str, str, str]:
    """Return figure, note and tone of the dashboard's tile: what was measured last, since a page cannot wait for it."""
    return selectors.find_measured_figure() or ("Not measured yet", "it is measured every ten minutes", "")


add_site_page(SitePage(path="money/", name="money_states", view=money_states))
