"""What a gateway says and nobody can believe: one exception for staff, nothing posted, resolved like any other."""

from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.ledger import services as ledger_services
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.ledger.states import ExceptionReason
from apps.payments.services import gateway_exceptions
from tests.factories.payments import pay
from tests.support.threads import run_together

QUEUE = "/api/v1/reconciliation/exceptions"


def open_one(**fields: Any) -> ReconciliationException:
    values: dict[str, Any] = {
        "gateway": "razorpay",
        "reason": ExceptionReason.REFUND_EXCEEDS_PAYMENT,
        "entity_id": "rfnd_NQxlPq2WmR8sTz",
        "description": "The gateway reports a refund of ₹1,00,00,000.00; ₹338.00 of the payment is left.",
        "expected_amount": 33_800,
        "actual_amount": 1_000_000_000,
        "actor": SYSTEM,
        "now": clock.now(),
    }
    return gateway_exceptions.open_gateway_exception(**{**values, **fields})


@pytest.mark.django_db
class TestOpenGatewayException:
    def test_same_fact_reported_twice_opens_one_exception(self) -> None:
        first, again = open_one(), open_one()

        assert (again.pk, ReconciliationException.objects.count()) == (first.pk, 1)
        assert list(Event.objects.filter(subject_id=first.pk).values_list("type", "version")) == [
            ("ledger.exception.opened", 1)
        ]

    @pytest.mark.parametrize(
        "other",
        [
            {"actual_amount": 1_000_000_001},
            {"actual_currency": "USD"},
            {"entity_id": "rfnd_NQxlPq2WmR8sTy"},
            {"reason": ExceptionReason.CURRENCY_MISMATCH},
        ],
    )
    def test_another_fact_opens_another(self, other: dict[str, Any]) -> None:
        open_one()
        open_one(**other)

        assert ReconciliationException.objects.count() == 2

    def test_resolved_fact_is_not_opened_again(self, finance: Any) -> None:
        first = open_one()
        ledger_services.resolve_exception(
            exception_id=first.pk, resolution="noted", note="explained", actor=SYSTEM, now=clock.now()
        )

        assert open_one().resolved_at is not None
        assert ReconciliationException.objects.count() == 1

    def test_long_values_are_kept_within_their_columns(self) -> None:
        kept = open_one(entity_id="rfnd_" + "x" * 60, description="y" * 900, actual_currency="INRINRINRINRINRINR")

        kept.refresh_from_db()
        assert (len(kept.entity_id), len(kept.description), kept.actual_currency) == (40, 400, "INRINRINRINRINRI")

    def test_exception_links_to_our_row_over_the_api_and_is_resolved_there(
        self, order: Any, finance: Any, stranger: Any, client_of: Any
    ) -> None:
        attempt = pay(order)
        before = LedgerTransaction.objects.count()
        row = open_one(attempt=attempt, actual_currency="USD", actual_amount=777)

        shown = client_of(finance).get(f"{QUEUE}/{row.public_id}").json()
        listed = client_of(finance).get(f"{QUEUE}?reason=refund_exceeds_payment&state=open").json()["data"]
        foreign = client_of(stranger).get(f"{QUEUE}/{row.public_id}")
        resolved = client_of(finance).post(
            f"{QUEUE}/{row.public_id}/resolve",
            {"resolution": "noted", "note": "Razorpay confirmed that it never happened."},
            format="json",
            headers={"Idempotency-Key": "key-of-the-test"},
        )

        assert (shown["attempt_id"], shown["refund_id"], shown["dispute_id"], shown["webhook_id"]) == (
            attempt.public_id, None, None, None,
        )  # fmt: skip
        assert (shown["actual_amount"], shown["actual_currency"], shown["held_amount"]) == (777, "USD", 0)
        assert [one["id"] for one in listed] == [row.public_id]
        assert foreign.status_code == 403
        assert (resolved.status_code, resolved.json()["resolution"]) == (200, "noted")
        assert LedgerTransaction.objects.count() == before

    def test_admin_page_shows_amounts_in_their_currency(self, administrator: Any, client: Any) -> None:
        row = open_one(actual_currency="USD", actual_amount=777)
        client.force_login(administrator)

        page = client.get(f"/admin/ledger/reconciliationexception/{row.pk}/change/").content.decode()

        assert "USD 7.77" in page
        assert "₹338.00" in page
        assert "₹7.77" not in page


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_two_workers_open_one_exception_of_one_fact(reference_data: None) -> None:
    first, second = run_together(open_one, open_one)

    assert first.pk == second.pk
    assert ReconciliationException.objects.count() == 1
