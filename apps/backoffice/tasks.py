"""Scheduled tasks of the back office."""

from celery import shared_task

from apps.backoffice.services.explained_money import measure_explained_money as _measure_explained_money
from apps.core import clock


@shared_task(name="backoffice.measure_explained_money")
def measure_explained_money(**_: object) -> None:
    """Measure how much of the captured money is explained three ways."""
    _measure_explained_money(now=clock.now())
