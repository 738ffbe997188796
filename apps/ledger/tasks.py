"""Scheduled tasks of the ledger."""

from celery import shared_task

from apps.core import clock
from apps.ledger.services.checkpoints import checkpoint_balances as _checkpoint_balances


@shared_task(name="ledger.checkpoint_balances")
def checkpoint_balances(**_: object) -> None:
    """Store a checkpoint of every account's balance."""
    _checkpoint_balances(now=clock.now())
