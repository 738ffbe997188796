"""Queries of downtimes of payment methods."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core.errors import NotFound
from apps.core.hot_path import hot_path
from apps.payments.models import PaymentDowntime
from apps.payments.rules import MAX_CURRENT_DOWNTIMES, MethodDowntime
from apps.payments.states import DowntimeStatus


class DowntimeNotFound(NotFound):
    """There is no such downtime of a payment method. List the downtimes."""

    message = "There is no such downtime."


def get_downtime(downtime_id: UUID) -> PaymentDowntime:
    """
    Return a downtime.

    :raises DowntimeNotFound: if there is none
    """
    downtime = PaymentDowntime.objects.filter(pk=downtime_id).first()
    if downtime is None:
        raise DowntimeNotFound
    return downtime


def list_open_downtimes(*, now: datetime) -> QuerySet[PaymentDowntime]:
    """Return the downtimes that are under way or to come, the latest to begin first."""
    rows = PaymentDowntime.objects.exclude(status=DowntimeStatus.RESOLVED)
    return rows.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now)).order_by("-begins_at", "-pk")


@hot_path("payments.list_current_downtimes", is_read=True)
def list_current_downtimes(*, now: datetime) -> list[PaymentDowntime]:
    """Return the downtimes that are under way, the latest to begin first."""
    return list(list_open_downtimes(now=now).filter(begins_at__lte=now)[:MAX_CURRENT_DOWNTIMES])


def list_method_downtimes(*, now: datetime) -> list[MethodDowntime]:
    """Return the current downtimes as far as they concern a buyer: method, instrument and severity."""
    return [MethodDowntime(row.method, row.instrument, row.severity) for row in list_current_downtimes(now=now)]


def count_current_downtimes(*, now: datetime) -> int:
    """Return the number of downtimes that are under way."""
    return list_open_downtimes(now=now).filter(begins_at__lte=now).order_by().count()


def list_unlisted_downtime_ids(*, gateway: str, listed: Collection[str], limit: int = 100) -> list[UUID]:
    """Return the ids of the downtimes of a gateway that are not resolved and not among those that it lists; oldest first."""
    rows = PaymentDowntime.objects.exclude(status=DowntimeStatus.RESOLVED).filter(gateway=gateway)
    rows = rows.exclude(gateway_downtime_id__in=listed).order_by("begins_at", "pk")
    return list(rows.values_list("pk", flat=True)[:limit])
