"""Downtimes of payment methods: reported by webhook and poll, merged, shown to buyers and staff."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import DatabaseError, transaction
from rest_framework.test import APIClient

from apps.core import clock
from apps.core.events import SYSTEM, gateway_actor
from apps.core.models import Event
from apps.payments.facts import GatewayError, UnreadableFacts
from apps.payments.gateways.razorpay.downtimes import downtime_from
from apps.payments.messages.downtimes import downtime_warning
from apps.payments.models import Payment, PaymentDowntime
from apps.payments.rules import MethodDowntime, downtime_advances, methods_to_offer
from apps.payments.services import downtimes, gateway_orders, webhooks
from apps.payments.services.payments import start_payment
from apps.payments.states import AttemptStatus
from tests.factories.payments import apply_payment, make_gateway_payment
from tests.support.downtimes import BEGAN, downtime_body, later, make_downtime, make_gateway_downtime
from tests.support.stored_rows import nothing_changes
from tests.support.webhooks import receive

pytestmark = pytest.mark.django_db


def process(raw: bytes) -> Any:
    webhook = receive(raw)
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    webhook.refresh_from_db()
    return webhook


def event_types() -> list[str]:
    return list(
        Event.objects.filter(type__startswith="payments.downtime.").order_by("id").values_list("type", flat=True)
    )


class TestReadDowntime:
    #: The samples of https://razorpay.com/docs/api/payments/downtime/entity/
    @pytest.mark.parametrize(
        ("method", "instrument", "read"),
        [
            ("netbanking", {"bank": "COSB"}, {"bank": "COSB"}),
            ("upi", {"vpa_handle": "@oksbi"}, {"vpa_handle": "oksbi"}),
            ("upi", {"psp": "bhim", "flow": "collect"}, {"psp": "bhim", "flow": "collect"}),
            ("upi", {"flow": "in_app"}, {"flow": "in_app"}),
            ("card", {"issuer": "SBIN", "card_type": "credit"}, {"issuer": "SBIN", "card_type": "credit"}),
            ("card", {"network": "MC", "type": "credit"}, {"network": "MC", "card_type": "credit"}),
            ("card", [], {}),
            ("upi", {"vpa_handle": None, "unheard_of": "x"}, {}),
        ],
    )
    def test_instruments_are_read_by_our_names(self, method: str, instrument: Any, read: dict[str, str]) -> None:
        entity = {
            "id": "down_F1cxDoHWD4fkQt", "method": method, "begin": 1591946222, "end": None, "status": "started",
            "scheduled": False, "severity": "high", "instrument": instrument, "created_at": 1591946223,
            "updated_at": 1591946297,
        }  # fmt: skip

        facts = downtime_from(entity)

        assert (facts.id, facts.method, facts.instrument) == ("down_F1cxDoHWD4fkQt", method, read)
        assert facts.begins_at == datetime(2020, 6, 12, 7, 17, 2, tzinfo=UTC)
        assert facts.reported_at == datetime(2020, 6, 12, 7, 18, 17, tzinfo=UTC)

    @pytest.mark.parametrize(
        "change",
        [
            {"id": None}, {"id": "x" * 41}, {"method": None}, {"method": "a'; drop"}, {"status": "over"},
            {"severity": "huge"}, {"begin": None}, {"begin": "soon"}, {"begin": 1600000000, "end": 1599999999},
        ],
    )  # fmt: skip
    def test_unreadable_facts_are_refused(self, change: dict[str, Any]) -> None:
        entity = {"id": "down_1", "method": "upi", "begin": 1591946222, "status": "started", "severity": "low"}
        assert downtime_from(entity).ends_at is None

        with pytest.raises(UnreadableFacts):
            downtime_from({**entity, **change})


class TestWebhook:
    def test_started_downtime_is_stored(self) -> None:
        webhook = process(downtime_body())

        downtime = PaymentDowntime.objects.get()
        assert (webhook.outcome, webhook.outcome_reason) == ("processed", "")
        assert (downtime.gateway_downtime_id, downtime.method) == ("down_F1Zppa6lcVheSE", "netbanking")
        assert (downtime.instrument, downtime.severity, downtime.status) == ({"bank": "VIJB"}, "high", "started")
        assert (downtime.begins_at, downtime.ends_at, downtime.is_scheduled) == (BEGAN, None, False)
        assert event_types() == ["payments.downtime.started"]

    def test_course_of_a_downtime_is_followed(self) -> None:
        begun = int(BEGAN.timestamp())
        process(downtime_body())
        process(downtime_body("updated", severity="medium", updated_at=begun + 60))
        process(downtime_body("resolved", severity="medium", updated_at=begun + 120, end=begun + 120))

        downtime = PaymentDowntime.objects.get()
        assert (downtime.status, downtime.severity, downtime.ends_at) == ("resolved", "medium", later(2))
        assert downtime.version == 3
        assert event_types() == [f"payments.downtime.{what}" for what in ("started", "updated", "resolved")]

    def test_any_order_ends_alike(self) -> None:
        begun = int(BEGAN.timestamp())
        process(downtime_body("resolved", updated_at=begun + 120, end=begun + 120))
        late = process(downtime_body("updated", updated_at=begun + 60))
        process(downtime_body())

        downtime = PaymentDowntime.objects.get()
        assert late.outcome == "processed"
        assert (downtime.status, downtime.version) == ("resolved", 1)

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (downtime_body("resolved", status="started"), "reports a downtime that is started"),
            (downtime_body("started", status="resolved"), "reports a downtime that is resolved"),
            (downtime_body(severity="huge"), "a downtime that is 'started' and 'huge'"),
        ],
    )
    def test_contradictions_are_left_out_with_their_reason(self, body: bytes, reason: str) -> None:
        webhook = process(body)

        assert webhook.outcome == "ignored"
        assert reason in webhook.outcome_reason
        assert not PaymentDowntime.objects.exists()

    def test_known_downtime_of_another_method_is_left_alone(self) -> None:
        process(downtime_body())
        begun = int(BEGAN.timestamp())

        webhook = process(downtime_body("updated", method="upi", updated_at=begun + 60))

        assert webhook.outcome_reason == (
            "The gateway reports downtime down_F1Zppa6lcVheSE of upi; it was of netbanking before."
        )
        assert PaymentDowntime.objects.get().version == 1


class TestMerge:
    @pytest.mark.parametrize(
        ("status", "at", "to_status", "to_at", "advances"),
        [
            ("scheduled", 0, "started", 1, True),
            ("started", 1, "scheduled", 0, False),
            ("started", 0, "updated", 0, True),
            ("updated", 0, "started", 0, False),
            ("updated", 1, "updated", 2, True),
            ("updated", 2, "updated", 2, False),
            ("updated", 2, "resolved", 1, True),
            ("resolved", 1, "updated", 9, False),
            ("resolved", 1, "resolved", 9, False),
        ],
    )
    def test_later_report_counts_and_resolved_is_final(
        self, status: str, at: int, to_status: str, to_at: int, advances: bool
    ) -> None:
        assert advances is downtime_advances(
            status=status, reported_at=later(at), to_status=to_status, to_reported_at=later(to_at)
        )

    def test_same_report_again_changes_nothing(self) -> None:
        facts = make_gateway_downtime()
        make = lambda: downtimes.apply_gateway_downtime(  # noqa: E731
            facts=facts, actor=gateway_actor("razorpay"), now=clock.now()
        )
        make()

        with nothing_changes():
            make()

    def test_database_keeps_a_resolved_downtime_resolved(self) -> None:
        downtime = make_downtime(status="resolved")

        with pytest.raises(DatabaseError, match="a resolved downtime stays resolved"), transaction.atomic():
            PaymentDowntime.objects.filter(pk=downtime.pk).update(status="started")


class TestPoll:
    def test_listed_downtimes_are_stored_and_missing_ones_resolved(self, sandbox: Any) -> None:
        planned = sandbox.control("POST", "/downtimes", {"method": "upi", "instrument": {"psp": "phonepe"}})

        assert downtimes.poll_downtimes(now=clock.now()) == 1
        downtime = PaymentDowntime.objects.get()
        assert (downtime.gateway_downtime_id, downtime.instrument) == (planned["id"], {"psp": "phonepe"})

        sandbox.control("POST", "/clock", {"advance_seconds": 60})
        sandbox.control("POST", f"/downtimes/{planned['id']}/resolve")
        assert downtimes.poll_downtimes(now=clock.now()) == 1
        downtime.refresh_from_db()
        assert (downtime.status, downtime.version) == ("resolved", 2)
        assert downtimes.poll_downtimes(now=clock.now()) == 0

    def test_downtime_that_the_gateway_forgot_is_resolved(self, sandbox: Any) -> None:
        downtime = make_downtime()

        downtimes.poll_downtimes(now=clock.now())

        downtime.refresh_from_db()
        assert downtime.status == "resolved"
        assert Event.objects.get(type="payments.downtime.resolved").reason == "the gateway does not know it any more"

    def test_unanswered_poll_changes_nothing(self, sandbox: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("apps.payments.gateways.razorpay.calls.BACKOFF_SECONDS", 0)
        make_downtime()
        fault = {"path": "/v1/payments/downtimes*", "kind": "status", "status": 503, "times": 10}
        sandbox.control("POST", "/faults", fault)

        with nothing_changes():
            assert downtimes.poll_downtimes(now=clock.now()) == 0

    def test_one_unreadable_downtime_does_not_hide_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        good = {"id": "down_1", "method": "upi", "begin": 1591946222, "status": "started", "severity": "low"}
        body = {"entity": "collection", "count": 2, "items": [{"id": "down_0"}, good]}
        monkeypatch.setattr("apps.payments.gateways.razorpay.adapter.read", lambda *_: body)

        assert downtimes.poll_downtimes(now=clock.now()) == 1

        assert PaymentDowntime.objects.get().gateway_downtime_id == "down_1"


class TestWarning:
    @pytest.mark.parametrize(
        ("method", "instrument", "offer", "text"),
        [
            ("upi", {}, ["card", "netbanking"], "UPI payments may fail at the moment. Use a card or net banking instead."),
            ("upi", {"vpa_handle": "ALL"}, [], "UPI payments may fail at the moment."),
            ("upi", {"vpa_handle": "oksbi"}, [], "UPI payments from IDs that end in @oksbi may fail at the moment."),
            ("upi", {"psp": "google_pay"}, [], "UPI payments with Google Pay may fail at the moment."),
            ("upi", {"psp": "other"}, [], "UPI payments with other may fail at the moment."),
            ("netbanking", {"bank": "HDFC"}, ["upi"], "Net banking of HDFC Bank may fail at the moment. Use UPI instead."),
            ("netbanking", {"bank": "XYZB"}, [], "Net banking of the bank XYZB may fail at the moment."),
            ("card", {"network": "MC", "card_type": "debit"}, [], "Payments with Mastercard debit cards may fail at the moment."),
            ("card", {"issuer": "SBIN"}, [], "Payments with cards of State Bank of India may fail at the moment."),
            ("card", {"network": "ALL"}, [], "Payments with cards may fail at the moment."),
            ("wallet", {}, [], "Wallet payments may fail at the moment."),
            ("fpx", {"bank": "PHBM"}, [], "Fpx of the bank PHBM may fail at the moment."),
        ],
    )  # fmt: skip
    def test_sentence_names_what_fails_and_what_to_use(
        self, method: str, instrument: dict[str, str], offer: list[str], text: str
    ) -> None:
        assert downtime_warning(method, instrument, offer=offer) == text

    def test_methods_that_are_down_are_not_offered(self) -> None:
        cards = MethodDowntime("card", {"network": "ALL"}, "high")
        visa = MethodDowntime("card", {"network": "VISA"}, "high")
        upi = MethodDowntime("upi", {}, "medium")
        faint = MethodDowntime("upi", {}, "low")

        every = ("upi", "card", "netbanking")
        assert methods_to_offer(every, []) == ["upi", "card", "netbanking"]
        assert methods_to_offer(every, [cards]) == ["upi", "netbanking"]
        assert methods_to_offer(every, [visa, faint]) == ["upi", "card", "netbanking"]
        assert methods_to_offer(every, [cards], instead_of="upi") == ["netbanking"]
        assert methods_to_offer(("upi",), [upi]) == ["card", "netbanking"]
        assert methods_to_offer((), [upi]) == []
        nets = MethodDowntime("netbanking", {}, "high")
        assert methods_to_offer(("upi",), [upi, cards, nets]) == ["upi"]


class TestListDowntimes:
    def test_open_ones_are_listed_for_everybody_signed_in(self, client_of: Any, owner: Any, stranger: Any) -> None:
        now = clock.now()
        make_downtime(status="resolved")
        make_downtime(status="scheduled", is_scheduled=True, ends_at=later(5), id="down_over")
        current = make_downtime(
            begins_at=now - timedelta(minutes=5), reported_at=now, instrument={"vpa_handle": "oksbi"}
        )
        planned = make_downtime(
            method="card", status="scheduled", is_scheduled=True, begins_at=now + timedelta(hours=1),
            ends_at=now + timedelta(hours=2), reported_at=now,
        )  # fmt: skip

        for user in (owner, stranger):
            answer = client_of(user).get("/api/v1/payments/downtimes")

            assert answer.status_code == 200
            assert [row["id"] for row in answer.json()["data"]] == [planned.public_id, current.public_id]
        (_, row) = answer.json()["data"]
        assert row["message"] == (
            "UPI payments from IDs that end in @oksbi may fail at the moment. Use a card or net banking instead."
        )
        assert (row["method"], row["severity"], row["status"]) == ("upi", "high", "started")
        assert row["offer"] == ["card", "netbanking"]

    def test_anonymous_caller_is_refused(self) -> None:
        assert APIClient().get("/api/v1/payments/downtimes").status_code == 401

    def test_query_count_does_not_grow(self, client_of: Any, owner: Any, count_queries: Any) -> None:
        client = client_of(owner)
        make_downtime()
        with count_queries() as one:
            client.get("/api/v1/payments/downtimes?limit=100")
        for _ in range(49):
            make_downtime()
        with count_queries() as fifty:
            answer = client.get("/api/v1/payments/downtimes?limit=100")

        assert len(answer.json()["data"]) == 50
        assert len(fifty) == len(one)


class TestNextAction:
    @pytest.fixture
    def ready(self, sandbox: Any, order: Any) -> Payment:
        payment = start_payment(order_id=order.pk, customer_id=order.customer_id, actor=SYSTEM, now=clock.now())
        gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
        return payment

    def test_warns_of_what_may_fail(self, client_of: Any, owner: Any, ready: Payment) -> None:
        make_downtime(method="card", instrument={"network": "VISA"}, severity="medium")
        make_downtime(method="netbanking", severity="low")

        answer = client_of(owner).get(f"/api/v1/payments/{ready.public_id}").json()

        assert answer["next_action"]["type"] == "razorpay_checkout"
        assert answer["next_action"]["warnings"] == [
            {
                "method": "card",
                "instrument": {"network": "VISA"},
                "severity": "medium",
                "message": "Payments with Visa cards may fail at the moment. Use UPI or net banking instead.",
                "offer": ["upi", "netbanking"],
            }
        ]

    def test_has_no_warnings_while_every_method_works(self, client_of: Any, owner: Any, ready: Payment) -> None:
        make_downtime(status="resolved")

        answer = client_of(owner).get(f"/api/v1/payments/{ready.public_id}").json()

        assert "warnings" not in answer["next_action"]

    def test_failed_attempt_offers_a_method_that_works(self, client_of: Any, owner: Any, ready: Payment) -> None:
        error = GatewayError(code="BAD_REQUEST_ERROR", reason="incorrect_pin", source="customer")
        ready.refresh_from_db()
        apply_payment(make_gateway_payment(ready, status=AttemptStatus.FAILED, error=error))
        client = client_of(owner)
        usual = client.get(f"/api/v1/payments/{ready.public_id}").json()["error"]
        make_downtime()

        answer = client.get(f"/api/v1/payments/{ready.public_id}").json()

        assert usual == {
            "message": "The UPI PIN was incorrect. Try again.",
            "failed_by": "buyer",
            "another_attempt": "helps",
            "offer": ["upi"],
            "code": "BAD_REQUEST_ERROR",
            "reason": "incorrect_pin",
            "source": "customer",
            "step": "",
        }
        assert answer["error"] == {**usual, "offer": ["card", "netbanking"]}
        assert [row["error"] for row in answer["attempts"]] == [None, answer["error"]]

    def test_stranger_sees_no_payment(self, client_of: Any, stranger: Any, ready: Payment) -> None:
        make_downtime()

        assert client_of(stranger).get(f"/api/v1/payments/{ready.public_id}").status_code == 404


class TestAdmin:
    def test_staff_see_what_may_fail(self, client: Any, support: Any) -> None:
        make_downtime(method="netbanking", instrument={"bank": "HDFC"})
        make_downtime(method="card", status="resolved")
        client.force_login(support)

        page = client.get("/admin/payments/paymentdowntime/?state=open").content.decode()
        cache.clear()  # tiles are kept for seconds, those of earlier tests as well
        dashboard = client.get("/admin/").content.decode()

        assert "Net banking of HDFC Bank" in page
        assert "Payments with cards" not in page
        assert "payments by these methods may fail" in dashboard
