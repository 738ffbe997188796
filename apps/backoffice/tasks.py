"""Scheduled tasks of the back office."""

from celery import shared_task

from apps.backoffice.services.explained_money import measure_explained_money as _measure_explained_money
from apps.backoffice.services.projections import refresh_projections as _refresh_projections
from apps.core import clock


@shared_task(name="backoffice.measure_explained_money")
def measure_explained_money(**_: object) -> None:
    """Measure how much of the captured money is explained three ways."""
    _measure_explained_money(now=clock.now())


@shared_task(name="backoffice.refresh_projections", expires=10, soft_time_limit=3_600, time_limit=3_660)
def refresh_projections(**_: object) -> None:
    """
    Count the orders that have changed for the dashboard and the reports.

    It takes milliseconds. The first one of an installation counts all orders, which in a large shop takes minutes.
    """
    _refresh_projections(now=clock.now())
