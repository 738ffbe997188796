"""Asking the gateway about everything that is open, and holding our books against a rehearsal gateway's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings

from apps.core.errors import Invalid
from apps.payments import selectors
from apps.payments.gateways import GatewayFailure, get_gateway
from apps.payments.gateways.sandbox import TrueMoney, read_truth
from apps.payments.services.checking import sync_payment
from apps.payments.services.giving_back import sync_refund
from apps.payments.services.reconciling import check_settlements, find_missing_lines, name_amount

log = structlog.get_logger(__name__)


class NoSandbox(Invalid):
    message = (
        "SANDBOX_URL is not set: it names the sandbox whose books are to be compared, such as http://127.0.0.1:9000."
    )


@dataclass
class Reconciliation:
    """How a round of questions went: how many were asked of each kind, how many got no answer, and what is open now."""

    payments: int = 0
    refunds: int = 0
    settlements: int = 0
    unanswered: int = 0
    missing_lines: int = 0
    open_exceptions: dict[str, int] = field(default_factory=dict)

    @property
    def is_clean(self) -> bool:
        return not self.unanswered and not self.open_exceptions


@dataclass(frozen=True)
class Difference:
    """One thing that two books tell differently; None where one of them knows nothing of it. Amounts in paise."""

    kind: str
    gateway_id: str
    ours: str | None
    theirs: str | None


def reconcile(
    *, now: datetime, since: datetime | None = None, tell: Callable[[str, int], None] | None = None
) -> Reconciliation:
    """
    Ask the gateway about every payment, refund and settlement that is open, or younger than an instant; talks to the outside.

    What it says is taken in as ever; then captured money that should have been settled is looked for.
    """
    result = Reconciliation()
    show = tell or (lambda kind, count: None)
    for payment_id in selectors.list_payments_to_reconcile(since):
        result.payments += 1
        result.unanswered += not _asked(sync_payment, payment_id=payment_id, now=now)
        show("payments", result.payments)
    for refund_id in selectors.list_refunds_to_reconcile(since):
        result.refunds += 1
        result.unanswered += not _asked(sync_refund, refund_id=refund_id, now=now)
        show("refunds", result.refunds)
    for settlement_id in selectors.list_settlements_to_reconcile(since):
        result.settlements += 1
        result.unanswered += not _asked(_ask_settlement, settlement_id=settlement_id, now=now)
        show("settlements", result.settlements)
    result.missing_lines = find_missing_lines(now=now)
    result.open_exceptions = selectors.count_open_exceptions()
    return result


def _asked(ask: Callable[..., object], **what: Any) -> bool:
    try:
        return ask(**what) is not False
    except Exception:
        # One that cannot be asked about must not keep the others from being asked about.
        log.exception("not_reconciled", **{name: str(value) for name, value in what.items()})
        return False


def _ask_settlement(*, settlement_id: UUID, now: datetime) -> bool:
    settlement = selectors.get_settlement(settlement_id)
    try:
        facts = get_gateway(settlement.gateway).get_settlement(gateway_settlement_id=settlement.gateway_settlement_id)
    except GatewayFailure:
        return False
    name_amount(settlement_id=settlement.pk, facts=facts, now=now)
    check_settlements(settlement_ids=[settlement.pk], now=now)
    return True


def compare_with_sandbox() -> list[Difference]:
    """
    Hold our captured payments, processed refunds and settlements against the books of the sandbox; talks to the outside.

    :raises NoSandbox: if no setting names one
    :raises OutcomeUnknown: if it does not answer
    """
    if not settings.SANDBOX_URL:
        raise NoSandbox
    truth = read_truth(settings.SANDBOX_URL)
    processed = {key: money for key, money in truth.refunds.items() if money.status == "processed"}
    return [
        *_differences("payment", selectors.captured_amounts(), truth.payments),
        *_differences("refund", selectors.processed_refund_amounts(), processed),
        *_differences("settlement", selectors.settlement_amounts(), truth.settlements),
    ]


def _differences(kind: str, ours: dict[str, int | None], theirs: dict[str, TrueMoney]) -> Iterator[Difference]:
    for gateway_id in sorted(ours.keys() | theirs.keys()):
        our_side = str(ours[gateway_id]) if gateway_id in ours else None
        their_side = str(theirs[gateway_id].amount) if gateway_id in theirs else None
        if our_side != their_side:
            yield Difference(kind, gateway_id, our_side, their_side)
