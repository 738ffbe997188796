"""Refunds that the gateway should not have made, or makes twice: what it processes is booked, and staff are notified."""

from typing import Any

import pytest

from apps.core import audit, clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.invoicing.services import issue_invoices
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import ReconciliationException
from apps.payments.facts import GatewayError
from apps.payments.models import PaymentAttempt, Refund, Webhook
from apps.payments.services.refunds import approvals, bank_transfers, gateway_updates, requests
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.catalog import make_variant
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_dispute, make_refund, pay
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA
from tests.support.refunds import apply_refund_update, gateway_refund_of, request_refund
from tests.support.webhooks import REFUND_WEBHOOKS, gateway_refund_entity, receive_event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("colleagues")]


@pytest.fixture(autouse=True)
def _nothing_is_violated_after_each_test(db: None) -> Any:
    yield
    # INV-42 is about workers, which do not run here.
    asked = [one.id for one in audit.list_invariants() if one.id != "INV-42"]
    report = audit.run(now=clock.now(), only=asked)
    assert [(result.invariant.id, result.rows, result.error) for result in report.failing] == []


@pytest.fixture
def order(shop: Any, owner: Any) -> Any:
    """Two units of ₹500.00 and one of ₹1,000.00, paid and invoiced."""
    order = make_order(owner, [(make_variant(price=50_000), 2), (make_variant(price=100_000), 1)])
    pay(order)
    issue_invoices(order_id=order.pk, actor=SYSTEM, now=clock.now())
    order.refresh_from_db()
    return order


def units(order: Any, *wanted: tuple[int, int]) -> list[RefundLineInput]:
    """Return so many units of lines, which are named by their position."""
    lines = {line.position: line.pk for line in order.lines.all()}
    return [RefundLineInput(lines[position], quantity) for position, quantity in wanted]


def reject(refund: Refund) -> None:
    approvals.reject_refund(refund_id=refund.pk, actor=BALA, reason="no", now=clock.now())


def refuse(refund: Refund) -> None:
    """Have the gateway refuse the call of a refund."""
    gateway_updates.mark_refund_failed(refund=refund, error=GatewayError(code="refused"), now=clock.now())


def process_webhook(refund: Refund, status: str, gateway_refund_id: str = "") -> Webhook:
    """Process a webhook about a refund, which names it by our id."""
    entity = gateway_refund_entity(
        refund.attempt,
        id=gateway_refund_id or f"rfnd_{refund.pk.hex[:14]}",
        amount=refund.amount,
        status=status,
        notes={"refund": refund.public_id},
    )
    return receive_event(REFUND_WEBHOOKS[status], refund=entity)


def process_dashboard_refund(like: Refund, **fields: Any) -> Refund:
    """Book a refund that somebody made at the gateway, of the money of one of ours."""
    facts = gateway_refund_of(like, **{"our_refund": "", "id": "rfnd_dashboard0001", **fields})
    return gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())


def statuses() -> list[tuple[str, int]]:
    return [(one.status, one.amount) for one in Refund.objects.order_by("sequence")]


def resolve_all() -> None:
    """Have staff explain what is open."""
    for exception in ReconciliationException.objects.filter(resolved_at=None):
        ledger_services.resolve_exception(
            exception_id=exception.pk, resolution="noted", note="it is explained", actor=ASHA, now=clock.now()
        )


def open_reasons() -> list[str]:
    return sorted(ReconciliationException.objects.filter(resolved_at=None).values_list("reason", flat=True))


class TestShouldNotBeMade:
    @pytest.mark.parametrize("said", ["pending", "failed"])
    @pytest.mark.parametrize("status", ["requires_approval", "cancelled"])
    def test_what_moves_no_money_leaves_its_status(self, order: Any, said: str, status: str) -> None:
        refund = make_refund(order, amount=10_000)
        if status == "cancelled":
            approvals.cancel_refund(refund_id=refund.pk, actor=BALA, now=clock.now())

        apply_refund(refund, status=said)

        assert refund.status == status
        assert refund.gateway_refund_id
        assert Event.objects.filter(subject_id=refund.pk).latest("version").type == "payments.refund.updated"

    @pytest.mark.parametrize("said", ["pending", "processed"])
    @pytest.mark.parametrize(
        ("status", "in_words"), [("requires_approval", "requires approval"), ("cancelled", "cancelled")]
    )
    def test_an_exception_is_opened_once(self, order: Any, said: str, status: str, in_words: str) -> None:
        refund = make_refund(order, amount=10_000)
        if status == "cancelled":
            approvals.cancel_refund(refund_id=refund.pk, actor=BALA, now=clock.now())

        for _ in range(2):
            apply_refund(refund, status=said)

        exception = ReconciliationException.objects.get()
        assert (exception.reason, exception.refund_id) == ("unexpected_refund", refund.pk)
        assert (exception.expected_amount, exception.actual_amount) == (0, 10_000)
        assert exception.description == (
            f"The gateway reports refund {refund.gateway_refund_id} of ₹100.00, our {refund.number}, which it should not make:"
            f" its status here is “{in_words}”. Make no bank transfer for it. Check at the gateway whether a person or an"
            " earlier call of Bahi made it."
        )

    def test_money_of_one_that_required_approval_is_booked(self, order: Any) -> None:
        refund = make_refund(order, amount=10_000)
        before = ledger.balance_of("gateway_receivable:razorpay")

        assert process_webhook(refund, "processed").last_error == ""

        refund.refresh_from_db()
        assert (refund.status, ledger.balance_of("refunds_payable")) == ("processed", 0)
        assert ledger.balance_of("gateway_receivable:razorpay") == before - 10_000

    def test_one_that_awaits_a_transfer_has_an_exception_at_each_stage(self, order: Any) -> None:
        refund = request_refund(order, amount=10_000)
        refuse(refund)
        bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())

        apply_refund(refund, status="pending")
        assert (refund.status, open_reasons()) == ("awaiting_transfer", ["unexpected_refund"])

        apply_refund(refund, status="processed")
        assert (refund.status, open_reasons()) == ("processed", ["unexpected_refund"])
        resolved = ReconciliationException.objects.exclude(resolved_at=None).get()
        assert resolved.resolution == "booked"

    def test_none_is_opened_for_a_report_that_comes_late(self, order: Any) -> None:
        refund = request_refund(order, amount=10_000)
        apply_refund_update(refund, "failed")
        bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=BALA, now=clock.now())

        apply_refund_update(refund, "pending")

        refund.refresh_from_db()
        assert (refund.status, open_reasons()) == ("awaiting_transfer", [])

    def test_one_that_is_processed_after_staff_explained_that_it_is_pending_has_another(self, order: Any) -> None:
        refund = request_refund(order, amount=10_000, actor=DEEPA)
        process_webhook(refund, "pending")
        resolve_all()
        reject(refund)
        apply_refund(request_refund(order, amount=10_000))

        process_webhook(refund, "processed")

        assert statuses() == [("processed", 10_000), ("processed", 10_000)]
        assert open_reasons() == ["unexpected_refund"]


class TestMadeTwice:
    def test_two_refunds_of_the_gateway_for_one_of_ours(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        process_webhook(refund, "processed", "rfnd_AAAAAAAAAAAAAA")

        process_webhook(refund, "processed", "rfnd_BBBBBBBBBBBBBB")

        assert statuses() == [("processed", 100_000), ("processed", 100_000)]
        assert open_reasons() == ["unexpected_refund"]
        second = Refund.objects.exclude(pk=refund.pk).get()
        assert ReconciliationException.objects.get().description == (
            f"The gateway reports refund rfnd_BBBBBBBBBBBBBB of ₹1,000.00, our {second.number}, in addition to {refund.number}"
            " (rfnd_AAAAAAAAAAAAAA). Only one of them was decided: the customer may receive the money twice. Ask the"
            " customer to return one of them if both are processed."
        )

    def test_is_not_said_of_a_refund_in_place_of_one_that_failed_at_the_gateway(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        process_webhook(refund, "failed", "rfnd_AAAAAAAAAAAAAA")

        process_webhook(refund, "processed", "rfnd_BBBBBBBBBBBBBB")

        assert statuses() == [("failed", 100_000), ("processed", 100_000)]
        assert open_reasons() == []

    def test_is_said_again_when_the_second_one_is_processed(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        process_webhook(refund, "processed", "rfnd_AAAAAAAAAAAAAA")
        process_webhook(refund, "pending", "rfnd_BBBBBBBBBBBBBB")
        resolve_all()

        process_webhook(refund, "processed", "rfnd_BBBBBBBBBBBBBB")

        assert statuses() == [("processed", 100_000), ("processed", 100_000)]
        assert open_reasons() == ["unexpected_refund"]

    def test_is_said_again_of_a_refused_refund_that_was_found_and_is_processed(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        refuse(refund)
        apply_refund(requests.retry_refund(refund_id=refund.pk, actor=ASHA, now=clock.now()))
        process_webhook(refund, "pending")
        resolve_all()

        process_webhook(refund, "processed")

        assert statuses() == [("processed", 100_000), ("processed", 100_000)]
        assert open_reasons() == ["unexpected_refund"]

    def test_of_a_failed_refund_and_its_retry(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        process_webhook(refund, "failed")
        retry = requests.retry_refund(refund_id=refund.pk, actor=ASHA, now=clock.now())
        apply_refund(retry)

        process_webhook(refund, "processed")

        assert statuses() == [("processed", 100_000), ("processed", 100_000)]
        assert f"in addition to {retry.number}. Only one" in ReconciliationException.objects.get().description

    def test_a_failed_refund_whose_retry_was_not_sent_is_made_once(self, order: Any) -> None:
        refund = request_refund(order, amount=100_000)
        process_webhook(refund, "failed")
        requests.retry_refund(refund_id=refund.pk, actor=ASHA, now=clock.now())

        process_webhook(refund, "processed")

        assert (statuses(), open_reasons()) == ([("processed", 100_000), ("cancelled", 100_000)], [])


class TestMoneyOfOthers:
    @pytest.mark.parametrize("end", [reject, refuse])
    def test_a_rest_takes_the_units_that_are_left_of_it(self, order: Any, end: Any) -> None:
        is_rejected = end is reject
        late = request_refund(order, lines=units(order, (1, 2)), actor=DEEPA if is_rejected else ASHA)
        end(late)
        request_refund(order, lines=units(order, (1, 2), (2, 1)))

        assert process_webhook(late, "processed").last_error == ""

        assert statuses() == [("processed", 100_000), ("cancelled", 200_000), ("pending", 100_000)]
        rest = Refund.objects.get(status="pending")
        assert [(line.order_line.position, line.quantity) for line in rest.lines.all()] == [(2, 1)]

    def test_a_report_that_moves_no_money_cancels_nothing(self, order: Any) -> None:
        rejected = request_refund(order, amount=120_000, actor=DEEPA)
        reject(rejected)
        request_refund(order, amount=150_000)

        process_webhook(rejected, "pending")
        process_webhook(rejected, "failed")

        assert statuses() == [("cancelled", 120_000), ("pending", 150_000)]

    def test_what_it_does_not_cover_is_cancelled(self, order: Any) -> None:
        unapproved = request_refund(order, amount=120_000, actor=DEEPA)
        process_dashboard_refund(request_refund(order, amount=80_000))

        process_webhook(unapproved, "processed")

        assert statuses() == [("processed", 120_000), ("cancelled", 80_000), ("processed", 80_000)]

    def test_disputed_money_is_an_exception(self, order: Any) -> None:
        refund = request_refund(order)
        make_dispute(PaymentAttempt.objects.get())

        process_webhook(refund, "processed")

        assert open_reasons() == ["dispute_exceeds_payment"]

    def test_money_that_another_holds_for_a_transfer_is_an_exception(self, order: Any) -> None:
        refused = request_refund(order)
        refuse(refused)
        held = request_refund(order)
        refuse(held)
        bank_transfers.hold_refund_for_transfer(refund_id=held.pk, actor=BALA, now=clock.now())

        process_webhook(refused, "processed")

        assert open_reasons() == ["refund_exceeds_payment"]
        assert held.number in ReconciliationException.objects.get().description

    def test_so_is_money_of_a_dashboard_refund_that_failed_and_is_held_for_a_transfer(self, order: Any) -> None:
        refund = request_refund(order, amount=10_000)
        failed = process_dashboard_refund(refund, amount=150_000, status="failed")
        bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=BALA, now=clock.now())

        process_dashboard_refund(refund, amount=100_000, id="rfnd_dashboard0002")

        assert statuses() == [("cancelled", 10_000), ("awaiting_transfer", 150_000), ("processed", 100_000)]
        assert open_reasons() == ["refund_exceeds_payment"]

    def test_the_exception_about_a_held_transfer_stays_open_when_the_refund_is_processed(self, order: Any) -> None:
        held = request_refund(order, amount=150_000)
        refuse(held)
        bank_transfers.hold_refund_for_transfer(refund_id=held.pk, actor=BALA, now=clock.now())

        for said in ({"status": "pending"}, {"status": "processed"}, {"status": "processed", "arn": "10000000000000"}):
            process_dashboard_refund(held, amount=100_000, **said)

            assert open_reasons() == ["refund_exceeds_payment"]
        assert ReconciliationException.objects.count() == 1

    def test_the_exception_about_a_refund_that_was_transferred_stays_open(self, order: Any) -> None:
        refund = request_refund(order, amount=10_000)
        refuse(refund)
        bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 9", actor=CHITRA, now=clock.now())

        for arn in ("", "10000000000000"):
            facts = gateway_refund_of(refund, arn=arn)
            gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=clock.now())

            assert open_reasons() == ["refund_exceeds_payment"]

    def test_a_rest_was_decided_with_what_it_is_a_rest_of(self, order: Any) -> None:
        refund = request_refund(order, amount=110_000)
        make_dispute(PaymentAttempt.objects.get())

        process_dashboard_refund(refund, amount=100_000)

        # Its money is withheld until the dispute is decided, but nobody decided it during the dispute: INV-14d holds.
        rest = Refund.objects.get(status="pending")
        assert (rest.amount, rest.remainder_of_id) == (100_000, refund.pk)

    def test_a_rest_of_a_rest_names_what_was_decided(self, order: Any) -> None:
        refund = request_refund(order, amount=200_000)
        process_dashboard_refund(refund, amount=50_000)
        process_dashboard_refund(refund, amount=50_000, id="rfnd_dashboard0002")

        rest = Refund.objects.get(status="pending")
        assert (rest.amount, rest.remainder_of_id) == (100_000, refund.pk)


def test_a_late_report_of_a_transferred_refund_notifies_nobody_again(order: Any) -> None:
    refund = request_refund(order, amount=10_000)
    refuse(refund)
    bank_transfers.confirm_refund_transfer(refund_id=refund.pk, reference="NEFT 9", actor=CHITRA, now=clock.now())

    process_webhook(refund, "failed")

    assert Event.objects.filter(subject_id=refund.pk, type="payments.refund.processed").count() == 1
