"""A shop in which everything has happened once, so that each page of the back office has a row to open."""

from dataclasses import dataclass
from typing import Any

from apps.backoffice.services.projections import rebuild_projections
from apps.catalog.models import Location
from apps.core import audit_runs, clock
from apps.core.audit import Report
from apps.core.models import Event, HandlerRun, IdempotencyKey, Incident, Outbox
from apps.fulfilment.models import Shipment
from apps.ledger.models import Account, BalanceCheckpoint
from apps.orders.models import Order
from apps.payments.models import Webhook
from apps.settlements.models import BankLine, BankStatementImport, FeeCheck, FeeRate, SettlementLine
from tests.factories.accounts import make_address, make_challenge, make_session, make_user
from tests.factories.invoicing import make_rendered_invoice
from tests.factories.notifications import NOON, make_notification
from tests.factories.orders import make_order
from tests.factories.payments import (
    make_dispute,
    make_exception,
    make_refund,
    make_settlement,
    make_settlement_lines,
    pay,
)
from tests.support.downtimes import make_downtime


@dataclass(frozen=True)
class Shop:
    """Who bought, and what: the one order is paid, refunded and disputed, the other has an invoice."""

    buyer: Any
    order: Order
    invoiced: Order


def make_busy_shop() -> Shop:
    """Return a shop with a row of every kind that a page shows."""
    buyer = make_user(name="Asha <b>Owner</b>", email="asha@example.com")
    order = make_order(buyer, address=make_address(buyer))
    attempt = pay(order)
    make_refund(order, amount=12_345)
    make_dispute(attempt, amount=23_456)
    invoice = make_rendered_invoice(buyer)
    message = make_notification(buyer)
    (line,) = make_settlement_lines(make_settlement(amount=34_567, lines_amount=34_567), 1)
    _make_fees(line)
    _make_statement()
    make_downtime()
    Shipment.objects.create(number="SHP-2627-000001", order=order, location_id=Location.objects.get().pk)
    make_exception(held_amount=45_678)
    make_session(buyer)
    make_challenge("+919876543210")
    _make_machinery(message.event)
    rebuild_projections(now=clock.now())
    return Shop(buyer=buyer, order=order, invoiced=invoice.order)


def _make_fees(line: SettlementLine) -> None:
    day = clock.ist_date(NOON)
    rate = FeeRate.objects.create(method="card", fixed_amount=56_712, valid_from=day)
    FeeCheck.objects.create(
        created_at=NOON, line=line, revision=1, rate=rate, outcome="agrees", method="card", month=day.replace(day=1),
        base_amount=56_723, charged_fee=56_734, charged_tax=0, expected_fee=56_745, expected_tax=0,
    )  # fmt: skip


def _make_statement() -> None:
    day = clock.ist_date(NOON)
    report = BankStatementImport.objects.create(
        account="917020012345678", layout="Axis", fingerprint="f" * 64, requested_by="system", first_on=day, last_on=day,
        closing_balance=67_812,
    )  # fmt: skip
    BankLine.objects.create(
        report=report, fingerprint="b" * 64, account=report.account, booked_on=day, amount=-67_823, balance=67_812,
        kind="charge", description="NEFT CHARGES",
    )  # fmt: skip


def _make_machinery(event: Event) -> None:
    HandlerRun.objects.create(
        event=event, handler="apps.any.handler", queue="housekeeping", created_at=NOON, send_after=NOON, parked_at=NOON
    )
    if not Outbox.objects.exists():
        Outbox.objects.create(event=event, created_at=NOON)
    IdempotencyKey.objects.create(
        principal="user:x",
        route="POST /api/v1/orders",
        key="k" * 20,
        fingerprint="f" * 64,
        created_at=NOON,
        expires_at=NOON,
    )
    Incident.objects.create(kind="gateway_key_rejected", key="razorpay", first_seen_at=NOON, last_seen_at=NOON)
    Webhook.objects.create(
        gateway="razorpay",
        event_id="evt_1",
        body_sha256="a" * 64,
        body=b'{"event":"payment.captured"}',
        received_at=NOON,
    )
    BalanceCheckpoint.objects.create(
        account=Account.objects.order_by("code")[0], last_entry_id=1, balance=56_789, taken_at=NOON
    )
    audit_runs.store_report(Report(started_at=clock.now(), results=[]))
