"""
A statement that looks for one row reads that row, and not all rows of a small partial index.

The statistics of a table are those of a quiet day, on which nothing waited; then thousands wait. The planner still takes the
index of what waits for empty: a statement whose conditions fit that index would read it from end to end, once for each row.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from apps.accounts import sql as accounts
from apps.accounts.models import Challenge, RefreshToken
from apps.core import clock
from apps.payments import locks
from apps.payments.models import Webhook
from apps.payments.selectors import refund_sums
from apps.payments.services import gateway_orders
from apps.payments.services.disputes import reminders
from apps.payments.services.refunds import submission
from apps.settlements import selectors as settlements
from tests.factories.accounts import make_session
from tests.factories.catalog import make_registration
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_exception, make_payment, make_refund, make_settlement, pay
from tests.support.statistics import change_past_triggers, copy_row, count_rows_read, kept_statistics

pytestmark = pytest.mark.django_db(transaction=True)

OPEN, CLOSED = 6_000, 20_000


def rows_read_amid(row: Any, act: Callable[[], Any], *, closed: dict[str, str], waiting: dict[str, str]) -> int:
    """Return how many rows of its table it takes to act on a row amid thousands that wait too."""
    was = {name: getattr(row, name) for name in closed}
    copy_row(row, CLOSED, **{**waiting, **closed})
    change_past_triggers(row, **closed)
    with kept_statistics(type(row)):
        change_past_triggers(row, **{name: _literal(value) for name, value in was.items()})
        copy_row(row, OPEN, **waiting)
        return count_rows_read(type(row), act)


def _literal(value: Any) -> str:
    return "NULL" if value is None else f"'{value}'"


@pytest.fixture
def order(reference_data: None, owner: Any) -> Any:
    make_registration()
    return make_order(owner)


class TestAccounts:
    def test_an_attempt_at_a_code(self) -> None:
        now = clock.now()
        challenge = Challenge.objects.create(
            purpose="log_in", channel="sms", destination="+919876543210", expires_at=now + timedelta(minutes=5)
        )

        read = rows_read_amid(
            challenge,
            lambda: accounts.count_attempt(challenge_id=challenge.pk, purpose="log_in", user_id=None, most=5, now=now),
            closed={"superseded_at": "now()"},
            waiting={"destination": "'+91' || (6000000000 + n)"},
        )

        challenge.refresh_from_db()
        assert challenge.attempts == 1
        assert read <= 2

    def test_the_rotation_of_a_refresh_token(self, owner: Any) -> None:
        now = clock.now()
        session = make_session(owner)
        token = RefreshToken.objects.create(session=session, expires_at=now + timedelta(days=7))

        read = rows_read_amid(
            token,
            lambda: accounts.claim_refresh_token(token_id=token.pk, now=now),
            closed={"revoked_at": "now()"},
            waiting={"session_id": "gen_random_uuid()"},
        )

        token.refresh_from_db()
        assert token.rotated_at == now
        assert read <= 2


class TestPayments:
    def test_the_lock_of_a_webhook(self) -> None:
        webhook = Webhook.objects.create(
            gateway="razorpay", event_id="evt_1", body=b"{}", body_sha256="0" * 64, received_at=clock.now()
        )

        read = rows_read_amid(
            webhook,
            lambda: locks.lock_unprocessed_webhook(webhook.pk),
            closed={"processed_at": "now()", "event_id": "'evt_done_' || n", "body_sha256": "md5(n::text)"},
            waiting={"event_id": "'evt_waiting_' || n", "body_sha256": "md5(n::text) || '+'"},
        )

        assert read <= 2

    def test_claim_of_a_payment(self, order: Any) -> None:
        payment = make_payment(order, is_ready=False)

        read = rows_read_amid(
            payment,
            lambda: gateway_orders._claim(payment.pk, now=clock.now()),
            closed={"status": "'succeeded'", "gateway_call": "'succeeded'", "next_check_at": "NULL"},
            waiting={"order_id": "gen_random_uuid()"},
        )

        payment.refresh_from_db()
        assert payment.gateway_call == "unknown"
        assert read <= 4

    def test_the_claim_of_a_refund(self, order: Any) -> None:
        refund = make_refund(order, is_approved=True)

        read = rows_read_amid(
            refund,
            lambda: submission._claim(refund.pk, now=clock.now()),
            closed={"status": "'processed'", "processed_at": "now()", "next_check_at": "NULL", "number": "'D' || n"},
            waiting={
                "order_id": "gen_random_uuid()", "number": "'W' || n", "idempotency_key": "gen_random_uuid()::text",
            },
        )  # fmt: skip

        refund.refresh_from_db()
        assert refund.gateway_call == "unknown"
        assert read <= 4

    def test_the_refunds_of_an_order_that_wait_for_approval(self, order: Any) -> None:
        refund = make_refund(order)

        read = rows_read_amid(
            refund,
            lambda: locks.lock_refunds_awaiting_approval(order.pk),
            closed={"status": "'processed'", "processed_at": "now()", "number": "'D' || n"},
            waiting={
                "order_id": "gen_random_uuid()", "number": "'W' || n", "idempotency_key": "gen_random_uuid()::text",
            },
        )  # fmt: skip

        assert read <= 2

    def test_the_sum_that_a_cancellation_refunds(self, order: Any) -> None:
        refund = make_refund(order)

        read = rows_read_amid(
            refund,
            lambda: refund_sums.cancellation_refund_amount(order.pk),
            closed={"status": "'processed'", "processed_at": "now()", "number": "'D' || n"},
            waiting={
                "order_id": "gen_random_uuid()", "number": "'W' || n", "idempotency_key": "gen_random_uuid()::text",
                "attempt_id": "gen_random_uuid()",
            },
        )  # fmt: skip

        assert read <= 4

    def test_the_reminder_of_a_dispute(self, order: Any) -> None:
        dispute = make_dispute(pay(order), respond_by=clock.now() + timedelta(hours=12))

        read = rows_read_amid(
            dispute,
            lambda: reminders._remind(dispute_id=dispute.pk, hours=24, now=clock.now()),
            closed={"status": "'won'", "decided_at": "now()", "gateway_dispute_id": "'disp_d' || n"},
            waiting={"gateway_dispute_id": "'disp_w' || n"},
        )

        dispute.refresh_from_db()
        assert dispute.last_reminder_hours == 24
        assert read <= 6

    def test_the_open_exception_about_a_settlements_sum(self, reference_data: None) -> None:
        settlement = make_settlement()
        exception = make_exception(settlement_id=settlement.pk, reason="sum_mismatch")

        read = rows_read_amid(
            exception,
            lambda: settlements.find_open_sum_mismatch_id(settlement.pk),
            closed={"resolved_at": "now()", "resolved_by": "'user:x'", "resolution": "'written_off'"},
            waiting={"settlement_id": "gen_random_uuid()"},
        )

        assert read <= 2
