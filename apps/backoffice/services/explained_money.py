"""The share of captured money that is explained three ways, measured by the clock, so that no page waits for it."""

from datetime import datetime, timedelta
from typing import Final

from django.core.cache import cache

from apps.backoffice import messages
from apps.backoffice.selectors.money_states import EXPLAINED_CACHE_KEY, MoneyStates, get_money_states
from apps.core.long_queries import long_queries
from apps.core.money import rupees

#: Older money has long been explained, or is an exception.
LOOKS_BACK: Final = timedelta(days=90)
#: The dashboard shows an old figure for that long if the scheduler stops, and then none.
_KEPT_SECONDS: Final = 7_200


def measure_explained_money(*, now: datetime) -> None:
    """Measure where the money is that was captured in 90 days, and keep it in the cache for the dashboard."""
    with long_queries():
        found = get_money_states(at=now, since=now - LOOKS_BACK)
    figure, note, tone = _describe(found)
    cache.set(EXPLAINED_CACHE_KEY, {"figure": figure, "note": note, "tone": tone}, _KEPT_SECONDS)


def _describe(found: MoneyStates) -> tuple[str, str, str]:
    if found.difference:
        return ("Differs", messages.states_differ(found.difference), "bad")
    if not found.due_amount:
        return ("Nothing due", "of the money captured in 90 days", "")
    missing = rupees(found.due_amount - found.explained_amount)
    note = "explained by payment, report and bank" if found.is_goal_met else f"{missing} is not explained three ways"
    return (f"{found.explained_per_million / 10_000:.2f} %", note, "good" if found.is_goal_met else "bad")
