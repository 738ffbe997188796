"""A gateway that rejects our key, or has no time, says nothing about a payment, refund, link or dispute: all of it is done later."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event, Incident
from apps.ledger.models import LedgerEntry
from apps.notifications.models import Notification
from apps.payments.gateways.interface import CredentialsRejected, EvidenceFile, Payer, load_adapter
from apps.payments.models import Dispute, Payment, PaymentAttempt, Refund
from apps.payments.services import gateway_access, gateway_orders, ledger_accounts, payments
from apps.payments.services import polling as payment_polling
from apps.payments.services.disputes import polling as dispute_polling
from apps.payments.services.disputes import responses
from apps.payments.services.gateway_access import LOCAL_METHODS
from apps.payments.services.refunds import requests, submission
from apps.payments.states import PaymentChannel
from apps.settlements.models import SettlementImport
from apps.settlements.services import reconciliation
from tests.factories.payments import make_payment
from tests.support.gateway_payments import pay_at_gateway

pytestmark = pytest.mark.django_db

#: Every answer that says nothing about what was asked for.
SAYS_NOTHING = pytest.mark.parametrize("status", [401, 403, 407, 408, 429, 500, 502, 503, 504])
REJECTED = pytest.mark.parametrize("status", [401, 403])


def break_calls(sandbox: Any, status: int, *, path: str = "/v1/*", method: str = "", times: int = 100) -> None:
    fault = {"path": path, "method": method, "kind": "status", "status": status, "times": times}
    sandbox.control("POST", "/faults", fault)


def clear_faults(sandbox: Any) -> None:
    sandbox.control("DELETE", "/faults")


@pytest.fixture
def payment(order: Any, sandbox: Any) -> Payment:
    return make_payment(order, is_ready=False)


@pytest.fixture
def paid(payment: Payment, order: Any, sandbox: Any) -> Any:
    """An order that the sandbox has the money of."""
    pay_at_gateway(order, sandbox, payment=payment)
    return order


def request_refund(order: Any, amount: int = 5_000) -> Refund:
    (refund,) = requests.request_refund_by_amount(
        order_id=order.pk, amount=amount, reason="other", actor=SYSTEM, now=clock.now()
    )
    return refund


def messages_to_buyers() -> int:
    return Notification.objects.count()


def open_incidents() -> list[tuple[str, str]]:
    rows = Incident.objects.filter(resolved_at__isnull=True)
    return list(rows.values_list("kind", "key"))


OPEN = [("gateway_credentials_rejected", "razorpay")]

_PAYER = Payer(email="a@b.in", phone="+919876543210", ip="127.0.0.1", user_agent="x")
_LINK = {"amount": 5_000, "currency": "INR", "description": "x", "payer": _PAYER, "notes": {}}
#: Every call of the protocol that goes over the network.
_CALLS: dict[str, Callable[[Any], Any]] = {
    "create_order": lambda g: g.create_order(receipt="pay_x", amount=5_000, currency="INR", notes={}),
    "find_order": lambda g: g.find_order(receipt="pay_x"),
    "list_payments": lambda g: g.list_payments(gateway_order_id="order_x"),
    "get_order": lambda g: g.get_order(gateway_order_id="order_x"),
    "get_payment": lambda g: g.get_payment(gateway_payment_id="pay_x"),
    "capture": lambda g: g.capture(gateway_payment_id="pay_x", amount=5_000, currency="INR"),
    "create_upi_intent": lambda g: g.create_upi_intent(
        gateway_order_id="order_x", amount=5_000, currency="INR", payer=_PAYER, description="x", notes={}
    ),
    "create_refund": lambda g: g.create_refund(
        gateway_payment_id="pay_x", amount=5_000, speed="normal", receipt="x", notes={}, idempotency_key="0123456789"
    ),
    "get_refund": lambda g: g.get_refund(gateway_refund_id="rfnd_x"),
    "list_refunds": lambda g: g.list_refunds(gateway_payment_id="pay_x"),
    "list_disputes": lambda g: g.list_disputes(),
    "get_dispute": lambda g: g.get_dispute(gateway_dispute_id="disp_x"),
    "accept_dispute": lambda g: g.accept_dispute(gateway_dispute_id="disp_x"),
    "contest_dispute": lambda g: g.contest_dispute(
        gateway_dispute_id="disp_x",
        amount=1,
        summary="x",
        evidence_files=[EvidenceFile(kind="billing", name="x.pdf", content=b"x")],
    ),
    "list_downtimes": lambda g: g.list_downtimes(),
    "get_downtime": lambda g: g.get_downtime(gateway_downtime_id="down_x"),
    "get_settlement": lambda g: g.get_settlement(gateway_settlement_id="setl_x"),
    "list_settlement_rows": lambda g: g.list_settlement_rows(day=clock.ist_date(clock.now()), skip=0),
    "get_link": lambda g: g.get_link(channel=PaymentChannel.PAYMENT_LINK, gateway_link_id="plink_1"),
    "get_link of a QR code": lambda g: g.get_link(channel=PaymentChannel.QR_CODE, gateway_link_id="qr_1"),
    "close_link": lambda g: g.close_link(channel=PaymentChannel.PAYMENT_LINK, gateway_link_id="plink_1"),
    "close_link of a QR code": lambda g: g.close_link(channel=PaymentChannel.QR_CODE, gateway_link_id="qr_1"),
    "create_link": lambda g: g.create_link(
        channel=PaymentChannel.PAYMENT_LINK, receipt="pay_x", expires_at=clock.now() + timedelta(hours=1), **_LINK
    ),
    "create_link of a QR code": lambda g: g.create_link(
        channel=PaymentChannel.QR_CODE, receipt="pay_x", expires_at=clock.now() + timedelta(hours=1), **_LINK
    ),
    "find_link": lambda g: g.find_link(
        channel=PaymentChannel.PAYMENT_LINK, receipt="pay_x", since=clock.now(), until=clock.now()
    ),
}


class TestEveryCall:
    @REJECTED
    @pytest.mark.parametrize("name", _CALLS)
    def test_rejected_key_is_no_refusal_and_is_not_repeated_at_once(self, sandbox: Any, name: str, status: int) -> None:
        break_calls(sandbox, status)

        with pytest.raises(CredentialsRejected):
            _CALLS[name](load_adapter("razorpay"))

        calls = sandbox.control("GET", "/journal", service="razorpay", direction="in")["items"]
        assert len(calls) == 1

    def test_every_call_of_the_adapter_is_in_the_table(self) -> None:
        named = {name.split(" ")[0] for name in _CALLS} | {"list_link_payments"}
        public = {name for name in dir(load_adapter("razorpay")) if not name.startswith("_") and name != "name"}

        assert public - LOCAL_METHODS - named == set()


class TestPayment:
    @SAYS_NOTHING
    def test_order_that_could_not_be_made_is_made_later(self, payment: Payment, sandbox: Any, status: int) -> None:
        break_calls(sandbox, status)
        events, messages = Event.objects.exclude(type__startswith="core.").count(), messages_to_buyers()

        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())

        payment.refresh_from_db()
        assert (payment.status, payment.error, payment.gateway_order_id) == ("requires_payment", {}, None)
        assert payment.next_check_at is not None
        assert Event.objects.exclude(type__startswith="core.").count() == events
        assert messages_to_buyers() == messages
        clear_faults(sandbox)
        payment_polling.poll_open_payments(now=clock.now() + timedelta(minutes=2))
        payment.refresh_from_db()
        assert payment.gateway_order_id is not None
        assert len(sandbox.control("GET", "/truth")["orders"]) == 1

    @SAYS_NOTHING
    def test_paid_payment_is_found_when_the_gateway_answers_again(
        self, payment: Payment, order: Any, sandbox: Any, status: int
    ) -> None:
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
        payment.refresh_from_db()
        sandbox.control("POST", f"/orders/{payment.gateway_order_id}/checkout", {"outcome": "success"})
        break_calls(sandbox, status)
        late = payment.live_until + timedelta(minutes=1)

        assert not payment_polling.sync_payment(payment_id=payment.pk, now=late)

        payment.refresh_from_db()
        assert payment.status in ("requires_payment", "processing"), "nothing is closed without an answer"
        clear_faults(sandbox)
        assert payment_polling.sync_payment(payment_id=payment.pk, now=late + timedelta(minutes=10))
        payment.refresh_from_db()
        assert payment.status == "succeeded"

    @REJECTED
    @pytest.mark.parametrize("channel", [PaymentChannel.PAYMENT_LINK, PaymentChannel.QR_CODE])
    def test_link_that_could_not_be_made_is_made_later(
        self, order: Any, sandbox: Any, channel: PaymentChannel, status: int
    ) -> None:
        ledger_accounts.set_up_reference_data(now=clock.now())
        payment = payments.start_link_payment(order_id=order.pk, channel=channel, actor=SYSTEM, now=clock.now())
        break_calls(sandbox, status)

        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())

        payment.refresh_from_db()
        assert (payment.status, payment.gateway_link_id) == ("requires_payment", None)
        clear_faults(sandbox)
        payment_polling.sync_payment(payment_id=payment.pk, now=clock.now() + timedelta(minutes=2))
        payment.refresh_from_db()
        assert payment.gateway_link_id is not None


class TestRefund:
    @SAYS_NOTHING
    def test_refund_that_could_not_be_made_is_made_later_and_once(self, paid: Any, sandbox: Any, status: int) -> None:
        refund = request_refund(paid)
        break_calls(sandbox, status)
        entries, messages = LedgerEntry.objects.count(), messages_to_buyers()

        assert not submission.submit_refund(refund_id=refund.pk, now=clock.now())

        refund.refresh_from_db()
        assert refund.status in ("pending", "unknown")
        assert (refund.error, LedgerEntry.objects.count(), messages_to_buyers()) == ({}, entries, messages)
        assert not Event.objects.filter(type="payments.refund.failed").exists()
        clear_faults(sandbox)
        submission.poll_open_refunds(now=clock.now() + timedelta(minutes=5))
        refund.refresh_from_db()
        assert refund.status == "processed"
        assert len(sandbox.control("GET", "/truth")["refunds"]) == 1

    @REJECTED
    def test_rejected_key_leaves_a_refund_unsent_with_growing_waits(self, paid: Any, sandbox: Any, status: int) -> None:
        refund, now = request_refund(paid), clock.now()
        break_calls(sandbox, status)
        waits = []
        for _ in range(6):
            submission.submit_refund(refund_id=refund.pk, now=now)
            refund.refresh_from_db()
            waits.append(int((refund.next_check_at - now).total_seconds()))
            now = refund.next_check_at

        assert (refund.status, refund.gateway_call) == ("pending", "pending")
        assert waits == sorted(waits)
        assert waits[-1] == 3_600


class TestDispute:
    @pytest.fixture
    def dispute(self, paid: Any, sandbox: Any) -> Dispute:
        attempt = PaymentAttempt.objects.get(payment__order=paid, status="captured")
        sandbox.control("POST", "/disputes", {"payment_id": attempt.gateway_payment_id})
        dispute_polling.poll_new_disputes(now=clock.now())
        return Dispute.objects.get()

    @SAYS_NOTHING
    def test_answer_that_could_not_be_sent_is_kept_and_sent_again(
        self, dispute: Dispute, sandbox: Any, status: int
    ) -> None:
        responses.contest_dispute(dispute_id=dispute.pk, summary="It was delivered.", actor=SYSTEM, now=clock.now())
        break_calls(sandbox, status)
        proof = EvidenceFile(kind="billing", name="INV.pdf", content=b"%PDF-1.7")

        responses.submit_dispute_response(dispute_id=dispute.pk, evidence_files=[proof], now=clock.now())

        dispute.refresh_from_db()
        assert (dispute.response, dispute.gateway_call, dispute.error) == ("contested", "unknown", {})
        clear_faults(sandbox)
        responses.submit_dispute_response(
            dispute_id=dispute.pk, evidence_files=[proof], now=clock.now() + timedelta(minutes=5)
        )
        dispute.refresh_from_db()
        assert (dispute.status, dispute.gateway_call) == ("under_review", "succeeded")

    @SAYS_NOTHING
    def test_round_ends_when_the_gateway_does_not_answer(self, dispute: Dispute, sandbox: Any, status: int) -> None:
        break_calls(sandbox, status)

        assert dispute_polling.poll_open_disputes(now=clock.now() + timedelta(hours=1)) == 1
        assert dispute_polling.poll_new_disputes(now=clock.now()) == 0

        dispute.refresh_from_db()
        assert dispute.status == "open"


class TestSettlementReport:
    @REJECTED
    def test_report_is_asked_for_again(self, sandbox: Any, reference_data: None, status: int) -> None:
        ledger_accounts.set_up_reference_data(now=clock.now())
        day, now = clock.ist_date(clock.now()), clock.now()
        report = reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=now)
        break_calls(sandbox, status)

        with pytest.raises(CredentialsRejected):
            reconciliation.import_settlements(import_id=report.pk, now=now)

        assert SettlementImport.objects.get().status == "failed"
        assert open_incidents() == OPEN
        clear_faults(sandbox)
        reconciliation.request_settlement_import(day=day, actor=SYSTEM, now=now)
        reconciliation.import_settlements(import_id=report.pk, now=now)
        assert SettlementImport.objects.get().status == "completed"
        assert open_incidents() == []


class TestIncident:
    def test_wrong_key_is_one_incident_until_a_call_succeeds(
        self, payment: Payment, sandbox: Any, settings: Any, administrator: Any, client: Any
    ) -> None:
        right, settings.RAZORPAY_KEY_SECRET = settings.RAZORPAY_KEY_SECRET, "wrong"
        for minutes in (0, 2, 4):
            now = clock.now() + timedelta(minutes=minutes)
            gateway_orders.create_gateway_order(payment_id=payment.pk, now=now)

        incident = Incident.objects.get()
        assert (incident.key, incident.count, incident.resolved_at) == ("razorpay", 3, None)
        assert incident.detail == "HTTP 401: The api key provided is invalid"
        cache.clear()
        client.force_login(administrator)
        assert "gateway credentials rejected: razorpay" in client.get("/admin/").content.decode()
        assert 'bahi_incidents_open{kind="gateway_credentials_rejected"} 1.0' in client.get("/metrics").content.decode()

        settings.RAZORPAY_KEY_SECRET = right
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now() + timedelta(minutes=6))

        assert open_incidents() == []
        payment.refresh_from_db()
        assert payment.gateway_order_id is not None

    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_busy_gateway_is_no_incident_about_our_key(self, payment: Payment, sandbox: Any, status: int) -> None:
        break_calls(sandbox, status)

        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())

        assert not Incident.objects.exists()

    def test_refusal_proves_that_the_key_is_accepted(self, payment: Payment, sandbox: Any) -> None:
        break_calls(sandbox, 401, times=1)
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
        assert open_incidents() == OPEN
        break_calls(sandbox, 400, path="/v1/orders", method="POST", times=1)

        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now() + timedelta(minutes=2))

        assert open_incidents() == []

    def test_webhooks_prove_nothing_about_the_key(self, payment: Payment, sandbox: Any) -> None:
        break_calls(sandbox, 401)
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())

        gateway_access.get_monitored_gateway("razorpay").is_webhook_signed(raw=b"x", signature="y")

        assert open_incidents() == OPEN
