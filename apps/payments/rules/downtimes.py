"""Which report of a downtime counts, and what follows from downtimes for a buyer."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

from apps.payments.rules.failure_reasons import OFFERED_METHODS
from apps.payments.states import DOWNTIME_RANK, DowntimeSeverity, DowntimeStatus

#: Downtimes of which buyers are warned. Of a low one the gateway knows no reason, and its effect is minimal.
WARNED_SEVERITIES = (DowntimeSeverity.HIGH, DowntimeSeverity.MEDIUM)
#: The most current downtimes that are read at once.
MAX_CURRENT_DOWNTIMES = 100
#: What the gateway sends for an instrument that means all of them.
_ALL = "ALL"
#: The parts of an instrument that name what is down; the others only narrow it.
_NAMED = ("bank", "network", "issuer", "psp", "vpa_handle", "wallet")


class MethodDowntime(NamedTuple):
    """A downtime as far as a buyer is concerned."""

    method: str
    instrument: Mapping[str, str]
    severity: str


def downtime_advances(*, status: str, reported_at: datetime, to_status: str, to_reported_at: datetime) -> bool:
    """
    Test if a report about a downtime replaces what is known of it.

    The later report counts, and of two of one instant that of the higher rank. A downtime is resolved by any report, and then
    nothing changes it: webhooks arrive in any order, and a new downtime has a new id.
    """
    if status == DowntimeStatus.RESOLVED:
        return False
    if to_status == DowntimeStatus.RESOLVED:
        return True
    return (to_reported_at, DOWNTIME_RANK[to_status]) > (reported_at, DOWNTIME_RANK[status])


def is_whole_method(instrument: Mapping[str, str]) -> bool:
    """Test if a downtime is of a whole method, and not of one bank, app, handle or card network."""
    return all(instrument.get(name, _ALL).upper() == _ALL for name in _NAMED)


def methods_down(downtimes: Collection[MethodDowntime]) -> frozenset[str]:
    """Return the methods that are down as a whole, so that they are not worth offering."""
    return frozenset(
        row.method for row in downtimes if row.severity in WARNED_SEVERITIES and is_whole_method(row.instrument)
    )


def methods_to_offer(
    wanted: Collection[str], downtimes: Collection[MethodDowntime], *, instead_of: str = ""
) -> list[str]:
    """
    Return which of the wanted methods to offer, in their order: without those that are down, and without `instead_of`.

    If that leaves none of several, all others that are not down are offered; if everything is down, the wanted ones are.
    """
    if not wanted:
        return []
    down = methods_down(downtimes)
    left = [method for method in wanted if method not in down and method != instead_of]
    others = [method for method in OFFERED_METHODS if method not in down and method != instead_of]
    return left or others or [method for method in wanted if method != instead_of]
