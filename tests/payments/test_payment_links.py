"""Payment links and QR codes: made once, paid once, closed when given up, and booked like any other money. Against the sandbox."""

import io
import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
import requests
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.core import audit, clock
from apps.core.dates import format_instant
from apps.core.events import SYSTEM
from apps.core.external_calls import GatewayCall
from apps.core.models import Event
from apps.ledger import selectors as ledger
from apps.ledger.models import LedgerTransaction
from apps.notifications import services as notifications
from apps.orders.services import expire_orders
from apps.orders.states import OrderStatus
from apps.payments import handlers
from apps.payments.facts import UnreadableFacts
from apps.payments.gateways.interface import load_adapter
from apps.payments.gateways.razorpay.payment_links import link_from, qr_from
from apps.payments.models import Payment, PaymentAttempt, Refund, Webhook
from apps.payments.services import order_cancellation, payments, polling
from apps.payments.services import webhooks as webhook_services
from apps.payments.services.refunds import requests as refund_requests
from apps.payments.services.refunds import submission
from apps.payments.states import PaymentChannel, PaymentStatus
from apps.settlements.models import SettlementLine
from apps.settlements.services import reconciliation, report_imports, sandbox_diff
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import make_payment
from tests.support.money_invariants import INVARIANTS
from tests.support.payment_links import LINK, QR, at_gateway, call, make, pay, start, webhooks_of
from tests.support.webhooks import receive

pytestmark = pytest.mark.django_db

PATHS = {LINK: "/v1/payment_links", QR: "/v1/payments/qr_codes"}
BOTH = pytest.mark.parametrize("channel", [LINK, QR])


@pytest.fixture(autouse=True)
def _books_balance_after_each_test(db: None) -> Any:
    yield
    report = audit.run(now=clock.now(), only=[one.id for one in INVARIANTS])
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []


def sync(payment: Payment, *, after: int = 0) -> bool:
    answered = polling.sync_payment(payment_id=payment.pk, now=clock.now() + timedelta(seconds=after))
    payment.refresh_from_db()
    return answered


def cancel(payment: Payment) -> None:
    payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=SYSTEM, now=clock.now())
    payment.refresh_from_db()


def close_after_end(payment: Payment) -> None:
    """Do what a worker does that hears of a payment that was given up."""
    event = Event.objects.filter(
        subject_id=payment.pk, type__in=("payments.payment.cancelled", "payments.payment.expired")
    ).latest("created_at")
    handlers.close_gateway_link(event=event, now=clock.now())
    payment.refresh_from_db()


def deliver(*events: Any) -> list[Webhook]:
    webhooks = [receive(event.body.encode(), event_id=event.id) for event in events]
    for webhook in webhooks:
        webhook_services.process_webhook(webhook_id=webhook.pk, now=clock.now())
        webhook.refresh_from_db()
    return webhooks


def fault(sandbox: Any, path: str, kind: str, **fields: Any) -> None:
    sandbox.control("POST", "/faults", {"path": path, "method": "POST", "kind": kind, **fields})


# Made ----------------------------------------------------------------------------------------------------------------


def test_a_link_asks_for_what_is_due_and_lasts_as_long_as_the_setting(order: Any, sandbox: Any, settings: Any) -> None:
    payment = make(order)
    (made,) = at_gateway(sandbox, LINK)
    assert (made["amount"], made["currency"], made["reference_id"]) == (order.total_amount, "INR", payment.public_id)
    assert (made["accept_partial"], made["notified"]) == (False, [])
    assert made["expire_by"] == int(payment.live_until.timestamp())
    assert payment.live_until - payment.created_at > timedelta(hours=23)
    assert (payment.gateway_link_id, payment.gateway_order_id, payment.gateway_call) == (
        made["id"], None, GatewayCall.SUCCEEDED,
    )  # fmt: skip
    assert payment.next_action == {
        "type": "payment_link", "url": made["short_url"], "expires_at": f"{payment.live_until:%Y-%m-%dT%H:%M:%S.000Z}",
    }  # fmt: skip
    order.refresh_from_db()
    assert order.payment_live_until == payment.live_until


def test_a_qr_code_takes_one_payment_of_the_amount_and_lives_two_hours_at_most(order: Any, sandbox: Any) -> None:
    payment = make(order, QR)
    (made,) = at_gateway(sandbox, QR)
    assert (made["usage"], made["fixed_amount"], made["payment_amount"]) == ("single_use", True, order.total_amount)
    assert made["notes"]["payment"] == payment.public_id
    assert timedelta(minutes=119) < payment.live_until - payment.created_at <= timedelta(hours=2)
    assert made["close_by"] == int(payment.live_until.timestamp())
    assert (payment.next_action["type"], payment.next_action["image_url"]) == ("qr_code", made["image_url"])


@BOTH
def test_being_called_again_makes_no_second_one(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    for _ in range(2):
        assert start(order, channel) == payment
        call(payment)
    assert len(at_gateway(sandbox, channel)) == 1
    assert Event.objects.filter(type="payments.payment.ready", subject_id=payment.pk).count() == 1


@BOTH
@pytest.mark.parametrize("kind", ["drop_after_commit", "malformed"])
def test_after_a_lost_answer_the_one_that_was_made_is_found(
    order: Any, sandbox: Any, channel: PaymentChannel, kind: str
) -> None:
    payment = start(order, channel)
    fault(sandbox, PATHS[channel], kind)
    call(payment)
    assert (payment.gateway_call, payment.gateway_link_id, payment.status) == (
        GatewayCall.UNKNOWN, None, PaymentStatus.REQUIRES_PAYMENT,
    )  # fmt: skip
    assert polling.poll_open_payments(now=clock.now() + timedelta(seconds=40)) == 1
    payment.refresh_from_db()
    (made,) = at_gateway(sandbox, channel)
    assert (payment.gateway_link_id, payment.gateway_call) == (made["id"], GatewayCall.SUCCEEDED)
    assert payment.next_action["type"] == channel


def test_a_qr_code_is_found_among_hundreds_of_others(order: Any, sandbox: Any) -> None:
    payment = make(order, QR)
    rows = sandbox.world.razorpay.qr_codes
    one = rows[payment.gateway_link_id]
    for number in range(250):
        copy = type(one)(**{**vars(one), "id": f"qr_{number:014d}", "notes": {}})
        rows[copy.id] = copy
    found = load_adapter("razorpay").find_link(
        channel=QR, receipt=payment.public_id, since=payment.created_at - timedelta(minutes=1), until=payment.live_until
    )
    assert found is not None
    assert found.id == one.id


@BOTH
@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_gateway_in_trouble_is_called_again(order: Any, sandbox: Any, channel: PaymentChannel, status: int) -> None:
    payment = start(order, channel)
    fault(sandbox, PATHS[channel], "status", status=status)
    call(payment)
    assert (payment.gateway_link_id, payment.status) == (None, PaymentStatus.REQUIRES_PAYMENT)
    sync(payment, after=40)
    assert len(at_gateway(sandbox, channel)) == 1
    assert payment.gateway_link_id is not None


@BOTH
def test_a_refusal_closes_the_payment_and_makes_room_for_another(
    order: Any, sandbox: Any, channel: PaymentChannel
) -> None:
    payment = start(order, channel)
    fault(sandbox, PATHS[channel], "status", status=400)
    call(payment)
    order.refresh_from_db()
    assert (payment.status, payment.gateway_call) == (PaymentStatus.CANCELLED, GatewayCall.REJECTED)
    assert order.payment_live_until is None
    assert make(order, channel).gateway_link_id is not None


def test_a_link_of_another_amount_under_our_reference_is_not_taken(order: Any, sandbox: Any) -> None:
    payment = start(order)
    link = api(
        sandbox, "POST", "/v1/payment_links", {"amount": 500, "currency": "INR", "reference_id": payment.public_id}
    )
    Payment.objects.filter(pk=payment.pk).update(gateway_call=GatewayCall.UNKNOWN)
    call(payment)
    assert (payment.status, payment.error["code"], payment.gateway_link_id) == (
        PaymentStatus.CANCELLED,
        "LINK_DIFFERS",
        None,
    )
    assert link["amount"] == 500


def api(sandbox: Any, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    settings = sandbox.world.settings
    answer = requests.request(
        method, f"{sandbox.url}/razorpay{path}", json=body, auth=(settings.key_id, settings.key_secret), timeout=10
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_payment_of_an_order_at_a_time(order: Any, sandbox: Any) -> None:
    checkout = make_payment(order)
    for channel in (LINK, QR):
        with pytest.raises(payments.PaymentInProgress):
            start(order, channel)
    cancel(checkout)
    link = make(order)
    with pytest.raises(payments.PaymentInProgress):
        start(order, QR)
    buyer = {"order_id": order.pk, "customer_id": order.customer_id, "actor": SYSTEM, "now": clock.now()}
    assert payments.start_payment(**buyer) == link
    assert Payment.objects.count() == 2


# Paid ----------------------------------------------------------------------------------------------------------------


def assert_paid(payment: Payment, order: Any) -> None:
    payment.refresh_from_db()
    order.refresh_from_db()
    assert (payment.status, order.status, order.paid_amount) == (
        PaymentStatus.SUCCEEDED, OrderStatus.CONFIRMED, order.total_amount,
    )  # fmt: skip
    assert LedgerTransaction.objects.filter(kind="capture").count() == 1
    assert payment.next_action == {}


def state_of(payment: Payment) -> Any:
    attempts = PaymentAttempt.objects.filter(payment=payment).values_list(
        "gateway_payment_id", "status", "amount", "method", "rrn", "fee_amount", "review_reason"
    )
    payment.refresh_from_db()
    return payment.status, payment.gateway_link_id, payment.gateway_order_id, sorted(attempts)


@BOTH
def test_it_is_looked_for_ten_minutes_before_it_was_asked_for_and_after_its_end(
    order: Any, sandbox: Any, channel: PaymentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = start(order, channel)
    Payment.objects.filter(pk=payment.pk).update(gateway_call=GatewayCall.UNKNOWN)
    looked = []
    monkeypatch.setattr(
        "apps.payments.gateways.razorpay.adapter.Razorpay.find_link", lambda _, **how: looked.append(how)
    )

    call(payment)

    minutes = timedelta(minutes=10)
    assert [(how["receipt"], how["since"], how["until"]) for how in looked] == [
        (payment.public_id, payment.created_at - minutes, payment.live_until + minutes)
    ]


@BOTH
def test_the_gateway_is_asked_about_the_order_of_another_amount_alone(
    order: Any, sandbox: Any, channel: PaymentChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment = make(order, channel)
    pay(sandbox, payment)

    def get_order(*_: Any, **__: Any) -> None:
        raise AssertionError("the amount is the one that was asked for")

    monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.Razorpay.get_order", get_order)

    assert sync(payment)
    assert payment.status == PaymentStatus.SUCCEEDED


@BOTH
def test_it_is_closed_here_once_it_is_closed_at_the_gateway(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    assert (payment.status, payment.link_closed_at) == (PaymentStatus.REQUIRES_PAYMENT, None)
    assert payment.next_action["type"] == channel
    pay(sandbox, payment)

    assert sync(payment)

    assert payment.status == PaymentStatus.SUCCEEDED
    assert payment.link_closed_at is not None


@BOTH
def test_it_is_paid_by_webhook(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    pay(sandbox, payment)
    deliver(*webhooks_of(sandbox))
    assert_paid(payment, order)
    assert (payment.gateway_order_id is None) == (channel == QR)


@BOTH
def test_with_every_webhook_lost_polling_finds_the_money(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    pay(sandbox, payment, outcome="failure")
    pay(sandbox, payment)
    assert polling.poll_open_payments(now=clock.now() + timedelta(seconds=60)) == 1
    assert_paid(payment, order)
    assert polling.poll_open_payments(now=clock.now() + timedelta(hours=30)) == 0


@pytest.mark.parametrize("order_of_webhooks", list(itertools.permutations(range(4))))
def test_a_links_webhooks_end_in_one_state_in_whatever_order(order: Any, sandbox: Any, order_of_webhooks: Any) -> None:
    payment = make(order)
    pay(sandbox, payment)
    webhooks = webhooks_of(sandbox, "payment.authorized", "payment.captured", "order.paid", "payment_link.paid")
    assert len(webhooks) == 4
    deliver(*(webhooks[place] for place in order_of_webhooks))
    assert_paid(payment, order)
    (attempt,) = state_of(payment)[3]
    assert attempt[1:3] == ("captured", order.total_amount)


def without_notes(event: Any) -> bytes:
    """Return a webhook whose payment and order name nothing of ours: only the link or QR code with it leads to us."""
    body = json.loads(event.body)
    for name in ("payment", "order"):
        entity = body["payload"].get(name, {}).get("entity")
        if entity:
            entity["notes"] = []
            entity.pop("receipt", None)
    return json.dumps(body).encode()


@pytest.mark.parametrize("order_of_webhooks", list(itertools.permutations(range(3))))
@BOTH
def test_webhook_without_our_ids_is_matched_by_its_link(
    order: Any, sandbox: Any, channel: PaymentChannel, order_of_webhooks: Any
) -> None:
    payment = make(order, channel)
    pay(sandbox, payment)
    webhooks = webhooks_of(sandbox, "payment.authorized", "payment.captured", "payment_link.paid", "qr_code.credited")
    for place in order_of_webhooks:
        webhook = receive(without_notes(webhooks[place]))
        webhook_services.process_webhook(webhook_id=webhook.pk, now=clock.now())
    assert_paid(payment, order)


@BOTH
def test_payment_by_an_unknown_link_is_matched_by_the_notes_of_the_link(
    order: Any, sandbox: Any, channel: PaymentChannel
) -> None:
    payment = start(order, channel)
    fault(sandbox, PATHS[channel], "drop_after_commit")
    call(payment)
    (made,) = at_gateway(sandbox, channel)
    pay(sandbox, made["id"])
    deliver(*webhooks_of(sandbox, "payment_link.paid", "qr_code.credited"))
    assert_paid(payment, order)
    assert (payment.gateway_link_id, payment.gateway_call) == (made["id"], GatewayCall.SUCCEEDED)


def test_a_code_that_was_made_twice_and_paid_twice_gives_the_second_payment_back(order: Any, sandbox: Any) -> None:
    payment = make(order, QR)
    first = sandbox.world.razorpay.qr_codes[payment.gateway_link_id]
    asked = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": payment.amount}
    second = api(sandbox, "POST", PATHS[QR], {**asked, "notes": dict(first.notes)})
    pay(sandbox, payment)
    pay(sandbox, second["id"])
    deliver(*webhooks_of(sandbox))
    order.refresh_from_db()
    payment.refresh_from_db()
    assert (payment.status, payment.gateway_link_id, payment.gateway_order_id) == ("succeeded", first.id, None)
    assert sorted(payment.attempts.values_list("status", "review_reason")) == [
        ("captured", ""), ("captured", "paid_twice"),
    ]  # fmt: skip
    refund = Refund.objects.get()
    assert (refund.reason, refund.amount, refund.status) == ("paid_twice", order.total_amount, "pending")
    submission.submit_refund(refund_id=refund.pk, now=clock.now())
    (at_the_bank,) = sandbox.control("GET", "/truth")["refunds"]
    refund.refresh_from_db()
    assert at_the_bank["payment_id"] == refund.attempt.gateway_payment_id
    assert order.status == OrderStatus.CONFIRMED


def test_a_part_of_the_money_confirms_nothing_and_waits_for_staff(order: Any, sandbox: Any) -> None:
    payment = make(order)
    api(sandbox, "PATCH", f"/v1/payment_links/{payment.gateway_link_id}", {"accept_partial": True})
    sandbox.world.razorpay.payment_links[payment.gateway_link_id].first_min_partial_amount = 100
    pay(sandbox, payment, amount=10_000)
    deliver(*webhooks_of(sandbox))
    order.refresh_from_db()
    attempt = payment.attempts.get()
    assert (attempt.amount, attempt.status, attempt.review_reason) == (10_000, "captured", "amount_mismatch")
    assert (order.status, order.paid_amount) == (OrderStatus.PENDING_PAYMENT, 0)


# Not ours ------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_link_of_another_system_of_the_account_is_left_alone(
    order: Any, sandbox: Any, channel: PaymentChannel
) -> None:
    payment = make(order, channel)
    body = {"amount": payment.amount, "currency": "INR"}
    if channel == QR:
        body = {"type": "upi_qr", "usage": "single_use", "fixed_amount": True, "payment_amount": payment.amount}
    other = api(sandbox, "POST", PATHS[channel], body)
    pay(sandbox, other["id"])
    webhooks = deliver(*webhooks_of(sandbox))
    assert {webhook.outcome for webhook in webhooks} == {"ignored"}
    assert all(webhook.outcome_reason for webhook in webhooks)
    assert PaymentAttempt.objects.count() == 0
    assert sync(payment) is True
    assert payment.status == PaymentStatus.REQUIRES_PAYMENT


def test_notes_of_a_browser_cannot_take_a_checkout_payment_over(order: Any, owner: Any, sandbox: Any) -> None:
    """A payment without an order, which any browser can make, must not be adopted because it names one of ours."""
    checkout = make_payment(order, is_ready=False)
    facts = json.dumps(
        {"event": "payment.captured", "payload": {"payment": {"entity": {
            "id": "pay_NQxlPq2WmR8sTz", "amount": checkout.amount, "currency": "INR", "status": "captured", "order_id": None,
            "method": "upi", "notes": {"payment": checkout.public_id},
        }}}}
    ).encode()  # fmt: skip
    webhook = receive(facts)
    webhook_services.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    assert (webhook.outcome, PaymentAttempt.objects.count()) == ("ignored", 0)


# Given up ------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_cancelled_one_is_closed_at_the_gateway(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    cancel(payment)
    assert at_gateway(sandbox, channel)[0]["status"] in ("created", "active")
    close_after_end(payment)
    assert at_gateway(sandbox, channel)[0]["status"] in ("cancelled", "closed")
    assert (payment.status, payment.next_action) == (PaymentStatus.CANCELLED, {})
    assert payment.link_closed_at is not None
    webhooks = deliver(*webhooks_of(sandbox, "payment_link.cancelled", "qr_code.closed"))
    assert [(one.outcome, one.outcome_reason) for one in webhooks] == [("ignored", "it is already closed")]


@BOTH
def test_polling_continues_until_the_link_is_closed(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    cancel(payment)
    sandbox.control("POST", "/faults", {"path": f"{PATHS[channel]}/*", "kind": "drop_before_commit", "times": 30})
    close_after_end(payment)
    for minute in (1, 3, 10, 30, 90):
        assert polling.poll_open_payments(now=clock.now() + timedelta(minutes=minute)) == 1
    sandbox.control("DELETE", "/faults")
    assert polling.poll_open_payments(now=clock.now() + timedelta(minutes=120)) == 1
    payment.refresh_from_db()
    assert payment.link_closed_at is not None


@BOTH
def test_one_that_was_made_by_a_lost_call_is_closed_too(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = start(order, channel)
    fault(sandbox, PATHS[channel], "drop_after_commit")
    call(payment)
    cancel(payment)
    close_after_end(payment)
    assert at_gateway(sandbox, channel)[0]["status"] in ("cancelled", "closed")
    assert payment.gateway_link_id is not None
    assert payment.link_closed_at is not None


@BOTH
def test_money_that_slips_through_after_cancelling_confirms_the_order_that_still_waits_for_it(
    order: Any, sandbox: Any, channel: PaymentChannel
) -> None:
    payment = make(order, channel)
    cancel(payment)
    pay(sandbox, payment)
    close_after_end(payment)
    order.refresh_from_db()
    assert (payment.status, order.status) == (PaymentStatus.SUCCEEDED_LATE, OrderStatus.CONFIRMED)


def test_money_for_a_cancelled_order_is_refunded(order: Any, sandbox: Any) -> None:
    payment = make(order)
    cancel(payment)
    order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(order.customer), reason="no", now=clock.now())
    pay(sandbox, payment)
    deliver(*webhooks_of(sandbox))
    refund = Refund.objects.get()
    assert (refund.reason, refund.amount) == ("late_payment", order.total_amount)


@BOTH
def test_its_time_over_it_expires_with_the_order_and_is_closed(
    order: Any, sandbox: Any, channel: PaymentChannel
) -> None:
    payment = make(order, channel)
    hours = 25 if channel == LINK else 3
    type(order).objects.update(expires_at=payment.live_until)
    assert expire_orders(now=payment.live_until - timedelta(minutes=1)) == 0
    sandbox.control("POST", "/clock", {"advance_seconds": hours * 3600})
    deliver(*webhooks_of(sandbox, "payment_link.expired", "qr_code.closed"))
    assert sync(payment, after=hours * 3600) is True
    assert payment.status == PaymentStatus.EXPIRED
    assert payment.link_closed_at is not None
    assert expire_orders(now=clock.now() + timedelta(hours=hours)) == 1


def test_one_that_somebody_cancelled_at_the_gateway_ends_here_too(order: Any, sandbox: Any) -> None:
    payment = make(order)
    api(sandbox, "POST", f"/v1/payment_links/{payment.gateway_link_id}/cancel", {})
    (webhook,) = deliver(*webhooks_of(sandbox, "payment_link.cancelled"))
    assert (webhook.outcome, webhook.outcome_reason) == ("processed", "the gateway is asked")
    assert Event.objects.filter(type="payments.payment.sync_requested", subject_id=payment.pk).count() == 1
    sync(payment)
    order.refresh_from_db()
    assert (payment.status, order.payment_live_until) == (PaymentStatus.CANCELLED, None)
    assert make(order).gateway_link_id != payment.gateway_link_id


def test_failed_attempt_leaves_the_link_open(order: Any, sandbox: Any) -> None:
    payment = make(order)
    pay(sandbox, payment, outcome="failure")
    sync(payment)
    assert payment.attempts.get().status == "failed"
    assert (payment.status, payment.next_action["type"]) == (PaymentStatus.REQUIRES_PAYMENT, "payment_link")
    # Its order is known by now, so that news without the link are understood as well.
    pay(sandbox, payment)
    deliver(*webhooks_of(sandbox, "payment.captured"))
    assert_paid(payment, order)


# Afterwards ----------------------------------------------------------------------------------------------------------


@BOTH
def test_payment_by_link_is_refunded_and_settled_like_any_other(
    order: Any, sandbox: Any, settings: Any, channel: PaymentChannel
) -> None:
    settings.SANDBOX_URL = sandbox.url
    payment = make(order, channel)
    pay(sandbox, payment)
    deliver(*webhooks_of(sandbox))
    (refund,) = refund_requests.request_refund_by_amount(
        order_id=order.pk, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
    )
    submission.submit_refund(refund_id=refund.pk, now=clock.now())
    refund.refresh_from_db()
    deliver(*webhooks_of(sandbox, "refund.processed"))
    settlement = sandbox.control("POST", "/settlements/run")["settlement"]
    report = requests.get(
        f"{sandbox.url}/__sim__/settlements/report.csv", params={"settlement_id": settlement["id"]}, timeout=10
    )
    report_imports.import_settlement_file(
        stream=io.BytesIO(report.content), name="report.csv", actor=SYSTEM, now=clock.now() + timedelta(days=4)
    )

    refund.refresh_from_db()
    lines = SettlementLine.objects.values_list("kind", "attempt_id", "refund_id", "amount").order_by("kind")
    assert list(lines) == [
        ("payment", payment.attempts.get().pk, None, order.total_amount), ("refund", None, refund.pk, 10_000),
    ]  # fmt: skip
    assert (refund.status, ledger.count_open_exceptions()) == ("processed", {})
    assert sandbox_diff.compare_with_sandbox() == []


@BOTH
def test_reconciling_asks_about_what_is_open(order: Any, sandbox: Any, channel: PaymentChannel) -> None:
    payment = make(order, channel)
    pay(sandbox, payment)
    result = reconciliation.reconcile(now=clock.now())
    assert (result.payments, result.unanswered) == (1, 0)
    assert_paid(payment, order)


# Read ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"notes": []}, {"our_payment": "pay_1"}),
        ({"notes": [], "reference_id": ""}, {"our_payment": ""}),
        ({"order_id": "QflczVVaNJciLq"}, {"order_id": "order_QflczVVaNJciLq"}),
        ({"id": "Qflbaxs1YQl7Px"}, {"id": "plink_Qflbaxs1YQl7Px"}),
        ({"expire_by": 0}, {"expires_at": None}),
        ({"expire_by": None, "short_url": "javascript:alert(1)"}, {"expires_at": None, "url": ""}),
        ({"payments": None}, {"payment_ids": ()}),
        ({"payments": [{"payment_id": "pay_a1"}, "odd"]}, {"payment_ids": ("pay_a1",)}),
        ({"status": "partially_paid"}, {"status": "open"}),
    ],
)
def test_a_link_is_read_in_whatever_shape_it_comes(changed: dict[str, Any], expected: dict[str, Any]) -> None:
    entity = {"id": "plink_1", "amount": 100, "currency": "INR", "status": "created", "reference_id": "pay_1"}
    link = link_from({**entity, **changed})
    assert {name: getattr(link, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"status": "active"}, "open"),
        ({"status": "closed", "close_reason": "paid"}, "paid"),
        ({"status": "closed", "close_reason": "on_demand"}, "cancelled"),
        ({"status": "closed", "close_reason": None}, "expired"),
    ],
)
def test_a_code_says_why_it_is_closed_and_may_have_no_amount(changed: dict[str, Any], status: str) -> None:
    code = qr_from({"id": "qr_1", "payment_amount": None, "notes": [], **changed})
    assert (code.status, code.amount, code.our_payment) == (status, 0, "")


@pytest.mark.parametrize("entity", [None, [], {}, {"id": "plink_1", "status": "new"}, {"id": 7, "status": "created"}])
def test_what_is_no_link_is_not_taken_for_one(entity: Any) -> None:
    with pytest.raises(UnreadableFacts):
        link_from(entity)
    with pytest.raises(UnreadableFacts):
        qr_from(entity)


# Told ----------------------------------------------------------------------------------------------------------------


def notify(payment: Payment) -> dict[str, Any]:
    event = Event.objects.get(type="payments.payment.ready", subject_id=payment.pk)
    return {
        row.channel: row
        for row in notifications.create_notifications(template="payment_link_created", event=event, now=clock.now())
    }


def test_buyer_receives_the_link_on_every_channel(order: Any, owner: Any, sandbox: Any) -> None:
    owner.email, owner.email_confirmed_at = "asha@example.com", clock.now()
    owner.save()
    payment = make(order)
    rows = notify(payment)
    assert set(rows) == {"sms", "email", "in_app"}
    assert all(payment.next_action["url"] in row.body for row in rows.values())
    assert order.number in rows["email"].title


def test_an_address_that_an_sms_would_cut_short_is_not_sent_by_sms(order: Any, owner: Any, sandbox: Any) -> None:
    payment = make(order)
    Payment.objects.filter(pk=payment.pk).update(
        next_action={**payment.next_action, "url": "https://pages.example.com/rzp/i/nxrHnLJabcdef"}
    )
    assert set(notify(payment)) == {"in_app"}


def test_no_message_about_a_qr_code_or_an_expired_link(order: Any, sandbox: Any) -> None:
    payment = make(order)
    cancel(payment)
    assert notify(payment) == {}
    assert notify(make(order, QR)) == {}


def test_message_about_a_failed_attempt_says_until_when_the_link_is_open(order: Any, sandbox: Any) -> None:
    payment = make(order)
    pay(sandbox, payment, outcome="failure")
    sync(payment)
    event = Event.objects.get(type="payments.attempt.failed")
    (row, *_) = notifications.create_notifications(template="payment_failed", event=event, now=clock.now())
    payment.refresh_from_db()
    assert format_instant(payment.live_until) in row.body


# Over HTTP -----------------------------------------------------------------------------------------------------------

ROUTES = pytest.mark.parametrize(("route", "channel"), [("payment-links", LINK), ("qr-codes", QR)])


def post(client: Any, route: str, order: Any, key: str = "key-of-the-test-1") -> Any:
    return client.post(
        f"/api/v1/{route}", {"order_id": order.public_id}, format="json", headers={"Idempotency-Key": key}
    )


@ROUTES
@pytest.mark.parametrize("role", ["support", "finance", "administrator"])
def test_staff_begin_one_and_follow_it(
    request: Any, client_of: Any, order: Any, sandbox: Any, route: str, channel: PaymentChannel, role: str
) -> None:
    client = client_of(request.getfixturevalue(role))
    answer = post(client, route, order)
    assert (answer.status_code, answer["Retry-After"]) == (202, "1")
    payment = Payment.objects.get()
    assert answer["Location"] == f"/api/v1/payments/{payment.public_id}"
    assert (answer.json()["channel"], answer.json()["next_action"]) == (channel, None)
    assert post(client, route, order).content == answer.content
    call(payment)
    shown = client.get(answer["Location"]).json()
    assert (shown["gateway_link_id"], shown["next_action"]["type"]) == (payment.gateway_link_id, channel)
    cancelled = client.post(
        f"{answer['Location']}/cancel", {}, format="json", headers={"Idempotency-Key": "key-of-the-test-2"}
    )
    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    close_after_end(payment)
    assert payment.link_closed_at is not None


@ROUTES
@pytest.mark.parametrize("who", ["owner", "stranger", "catalogue_manager"])
def test_who_may_not_begins_none(
    request: Any, client_of: Any, order: Any, route: str, channel: PaymentChannel, who: str
) -> None:
    answer = post(client_of(request.getfixturevalue(who)), route, order)
    assert (answer.status_code, Payment.objects.count()) == (403, 0)


@ROUTES
def test_without_an_idempotency_key_none_is_begun(
    client_of: Any, support: Any, order: Any, route: str, channel: PaymentChannel
) -> None:
    answer = client_of(support).post(f"/api/v1/{route}", {"order_id": order.public_id}, format="json")
    assert (answer.status_code, Payment.objects.count()) == (400, 0)


def test_a_stranger_neither_sees_nor_cancels_a_link_and_the_buyer_may_do_both(
    client_of: Any, order: Any, owner: Any, stranger: Any
) -> None:
    payment = start(order)
    where, headers = f"/api/v1/payments/{payment.public_id}", {"Idempotency-Key": "key-of-the-test-1"}
    assert client_of(stranger).get(where).status_code == 404
    assert client_of(stranger).post(f"{where}/cancel", {}, format="json", headers=headers).status_code == 404
    assert client_of(stranger).get("/api/v1/payment-links").json()["data"] == []
    assert [one["id"] for one in client_of(owner).get("/api/v1/payment-links").json()["data"]] == [payment.public_id]
    assert client_of(owner).post(f"{where}/cancel", {}, format="json", headers=headers).status_code == 200


def test_another_payment_under_way_is_a_conflict(client_of: Any, support: Any, order: Any) -> None:
    make_payment(order)
    answer = post(client_of(support), "payment-links", order)
    assert answer.status_code == 409
    assert order.number in answer.json()["error"]["message"]


@ROUTES
def test_a_list_shows_its_channel_newest_first_in_as_many_queries_for_fifty_as_for_one(
    client_of: Any, support: Any, shop: Any, owner: Any, route: str, channel: PaymentChannel
) -> None:
    client = client_of(support)
    make_payment(make_order(owner))
    start(make_order(owner), QR if channel == LINK else LINK)
    made = [start(make_order(owner), channel)]
    client.get(f"/api/v1/{route}")
    with CaptureQueriesContext(connection) as one:
        client.get(f"/api/v1/{route}?limit=100")
    made += [start(make_order(owner), channel) for _ in range(49)]
    with CaptureQueriesContext(connection) as fifty:
        page = client.get(f"/api/v1/{route}?limit=100").json()
    assert [row["id"] for row in page["data"]] == [payment.public_id for payment in reversed(made)]
    assert len(fifty) == len(one) <= 6


# In the back office --------------------------------------------------------------------------------------------------


def do(user: Any, thing: Any, action: str) -> Any:
    client = Client()
    client.force_login(user)
    return client.post(reverse(f"admin:{thing._meta.label_lower.replace('.', '_')}_action", args=[thing.pk, action]))


@pytest.mark.parametrize(("action", "channel"), [("send-link", LINK), ("show-qr", QR)])
def test_support_sends_a_link_and_cancels_the_payment(
    order: Any, support: Any, sandbox: Any, action: str, channel: PaymentChannel
) -> None:
    assert do(support, order, action).status_code == 302
    payment = call(Payment.objects.get())
    assert payment.channel == channel
    client = Client()
    client.force_login(support)
    page = client.get(reverse("admin:payments_payment_change", args=[payment.pk])).content.decode()
    assert (payment.next_action.get("url") or payment.next_action["image_url"]) in page
    found = client.get(reverse("admin:payments_payment_changelist"), {"q": payment.gateway_link_id}).content.decode()
    assert payment.public_id in found
    assert do(support, payment, "give-up").status_code == 302
    close_after_end(payment)
    assert (payment.status, payment.link_closed_at is not None) == (PaymentStatus.CANCELLED, True)


def test_at_an_order_that_is_being_paid_no_link_is_sent(order: Any, support: Any) -> None:
    make_payment(order)
    page = do(support, order, "send-link").content.decode()
    assert "Cancel that payment first" in page
    assert Payment.objects.count() == 1


def test_who_keeps_the_catalogue_sends_no_link(order: Any, catalogue_manager: Any) -> None:
    assert do(catalogue_manager, order, "send-link").status_code == 403
    assert Payment.objects.count() == 0


@pytest.mark.parametrize(("channel", "seconds"), [("checkout", 15), ("payment_link", 30), ("qr_code", 30)])
def test_payers_by_link_have_longer_between_two_polls(order: Any, channel: str, seconds: int) -> None:
    payment, now = make_payment(order), clock.now()
    payment.channel, payment.status = channel, PaymentStatus.PROCESSING

    due = payments.schedule_payment_check(payment, is_known_to_gateway=True, now=now)

    assert due == now + timedelta(seconds=seconds)
