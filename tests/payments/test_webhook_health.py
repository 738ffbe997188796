"""Webhooks that do not come are noticed: by the metric, by a tile, and by an incident when polling finds what none reported."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from structlog.testing import capture_logs

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Incident
from apps.payments.models import PaymentAttempt, Refund, Webhook
from apps.payments.services import webhook_health, webhooks
from apps.payments.tasks import report_missing_webhooks
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_dispute, make_payment, make_refund, pay
from tests.support.webhooks import body_of, receive

pytestmark = pytest.mark.django_db

METRIC = "bahi_webhook_last_received_timestamp_seconds"


def check(**later: float) -> int:
    return webhook_health.report_missing_webhooks(now=clock.now() + timedelta(**later))


def report_by_webhook(order: Any) -> Webhook:
    """Have the gateway report a captured payment by webhook."""
    webhook = receive(body_of(make_payment(order)))
    webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())
    return webhook


def open_incidents() -> list[tuple[str, str, int]]:
    rows = Incident.objects.filter(resolved_at__isnull=True)
    return list(rows.values_list("kind", "key", "count"))


class TestCheckMissingWebhooks:
    def test_payment_that_only_polling_found_is_an_incident_after_the_grace_period(self, order: Any) -> None:
        attempt = pay(order)
        assert (check(minutes=9), open_incidents()) == (0, [])

        with capture_logs() as lines:
            assert check(minutes=11) == 1

        assert open_incidents() == [("webhooks_missing", "razorpay", 1)]
        assert Incident.objects.get().detail == (
            f"Polling found {attempt.gateway_payment_id}, which no webhook reported. Check in the gateway's dashboard that"
            " webhooks are enabled for all events."
        )
        errors = [line for line in lines if line["event"] == "webhooks_missing"]
        assert [(line["log_level"], line["entities"]) for line in errors] == [("error", [attempt.gateway_payment_id])]

    def test_same_payment_is_reported_once(self, order: Any) -> None:
        pay(order)

        found = [check(minutes=minutes) for minutes in range(11, 60)]

        assert found == [1] + [0] * 48
        assert open_incidents() == [("webhooks_missing", "razorpay", 1)]

    def test_payment_that_a_webhook_reported_is_none(self, order: Any) -> None:
        report_by_webhook(order)

        assert (check(minutes=11), open_incidents()) == (0, [])

    def test_webhook_that_comes_late_but_in_time_is_none(self, order: Any) -> None:
        payment = make_payment(order)
        webhook = receive(body_of(payment))
        attempt = pay(order)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(gateway_payment_id="pay_NQxlPq2WmR8sTz")
        webhooks.process_webhook(webhook_id=webhook.pk, now=clock.now())

        assert check(minutes=11) == 0

    def test_refund_and_dispute_that_only_polling_found_count_too(self, order: Any, owner: Any) -> None:
        report_by_webhook(order)
        order.refresh_from_db()
        refund = apply_refund(make_refund(order, amount=5_000, actor=SYSTEM))
        make_dispute(PaymentAttempt.objects.get(payment__order=order), amount=1_000)

        assert Refund.objects.get().gateway_refund_id == refund.gateway_refund_id
        assert check(minutes=11) == 2

    def test_nothing_is_said_while_webhooks_wait_to_be_processed(self, order: Any, owner: Any) -> None:
        pay(order)
        receive(body_of(make_payment(make_order(owner))))

        assert (check(minutes=11), open_incidents()) == (0, [])

    def test_incident_closes_when_webhooks_come_again(self, order: Any, owner: Any) -> None:
        attempt = pay(order)
        long_ago = clock.now() - timedelta(minutes=30)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(captured_at=long_ago, authorized_at=long_ago)
        check()
        assert (check(minutes=1), len(open_incidents())) == (0, 1)

        report_by_webhook(make_order(owner))
        check(minutes=2)

        assert open_incidents() == []

    def test_another_payment_without_a_webhook_is_counted(self, order: Any, owner: Any) -> None:
        pay(order)
        check(minutes=11)
        second = pay(make_order(owner))
        PaymentAttempt.objects.filter(pk=second.pk).update(captured_at=clock.now() + timedelta(minutes=20))

        assert check(minutes=31) == 1
        assert open_incidents() == [("webhooks_missing", "razorpay", 2)]

    def test_task_checks_at_the_present_time(self, order: Any) -> None:
        attempt = pay(order)
        long_ago = clock.now() - timedelta(minutes=30)
        PaymentAttempt.objects.filter(pk=attempt.pk).update(captured_at=long_ago, authorized_at=long_ago)

        report_missing_webhooks()

        assert open_incidents() == [("webhooks_missing", "razorpay", 1)]

    def test_check_costs_few_queries_however_many_payments_there_are(
        self, shop: Any, owner: Any, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(12):
            pay(make_order(owner))
        check(minutes=11)

        with django_assert_max_num_queries(8):
            check(minutes=12)


class TestLastWebhook:
    def test_metric_is_the_time_of_the_last_webhook(self, order: Any, client: Any) -> None:
        assert METRIC not in client.get("/metrics").content.decode()

        webhook = report_by_webhook(order)

        text = client.get("/metrics").content.decode()
        value = float(next(line for line in text.splitlines() if line.startswith(f"{METRIC} ")).split(" ")[1])
        assert abs(value - webhook.received_at.timestamp()) < 0.001

    def test_tile_shows_its_age_and_turns_bad_when_webhooks_are_missing(
        self, order: Any, owner: Any, finance: Any, client: Any
    ) -> None:
        cache.clear()
        client.force_login(finance)
        assert "None yet" in client.get("/admin/").content.decode()
        report_by_webhook(order)
        cache.clear()
        assert "since the last webhook of the gateway" in client.get("/admin/").content.decode()
        pay(make_order(owner))
        check(minutes=11)
        cache.clear()

        page = client.get("/admin/").content.decode()

        assert "the gateway&#x27;s webhooks are missing: check its dashboard" in page

    def test_support_does_not_see_the_tile(self, support: Any, client: Any) -> None:
        cache.clear()
        client.force_login(support)

        assert "Last webhook" not in client.get("/admin/").content.decode()
