"""Who may decide alone about the money of an order, and that nobody passes the limit in pieces or decides about their own."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core import clock
from apps.core.events import SYSTEM, Actor
from apps.payments import rules
from apps.payments.facts import GatewayError
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import decision_rights, order_cancellation, payment_acceptance, payment_reviews
from apps.payments.services.disputes import responses
from apps.payments.services.refunds import approvals, bank_transfers, requests
from apps.payments.services.refunds.gateway_updates import mark_refund_failed
from apps.payments.states import IMMEDIATE_OPERATIONS, ApprovalRequirement, MoneyOperation
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    apply_refund,
    make_dispute,
    make_gateway_payment,
    make_payment,
    make_refund,
    pay,
)
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA
from tests.support.refunds import request_refunds
from tests.support.stored_rows import KEPT_ANSWERS, nothing_changes

LIMIT = 20_000
#: Who may answer disputes has a permission of its own.
REFUND_OPERATIONS = [one for one in MoneyOperation if one != MoneyOperation.RESPOND_TO_DISPUTE]
WAITING_OPERATIONS = [one for one in MoneyOperation if one not in IMMEDIATE_OPERATIONS]


def assess(role: str, operation: str, **fields: Any) -> str:
    values: dict[str, Any] = {"is_own_order": False, "amount": 1, "decided_alone": 0, "limit": LIMIT}
    return rules.approval_requirement(role=role, operation=operation, **{**values, **fields})


class TestAssess:
    """The table of docs/money.md, without a database."""

    @pytest.mark.parametrize("operation", MoneyOperation)
    def test_the_shops_own_rules_decide_alone_about_any_amount(self, operation: str) -> None:
        assert assess("system", operation, amount=10**12) == ApprovalRequirement.NOT_REQUIRED

    @pytest.mark.parametrize("operation", MoneyOperation)
    @pytest.mark.parametrize("role", ["staff", "approver"])
    def test_no_staff_decide_alone_about_an_own_order(self, operation: str, role: str) -> None:
        assert assess(role, operation, is_own_order=True) == ApprovalRequirement.OWN_ORDER

    @pytest.mark.parametrize("operation", REFUND_OPERATIONS)
    def test_staff_who_may_only_request_never_decide(self, operation: str) -> None:
        assert assess("staff", operation) == ApprovalRequirement.NOT_APPROVER

    @pytest.mark.parametrize("operation", [one for one in REFUND_OPERATIONS if one != MoneyOperation.CANCEL_ORDER])
    def test_customers_decide_nothing_but_to_cancel(self, operation: str) -> None:
        assert assess("customer", operation, is_own_order=True) == ApprovalRequirement.OWN_ORDER
        assert assess("customer", operation) == ApprovalRequirement.NOT_APPROVER

    @pytest.mark.parametrize(
        ("amount", "decision"),
        [(LIMIT, ApprovalRequirement.NOT_REQUIRED), (LIMIT + 1, ApprovalRequirement.ABOVE_THRESHOLD)],
    )
    def test_customers_cancel_an_own_order_up_to_the_limit(self, amount: int, decision: str) -> None:
        assert assess("customer", MoneyOperation.CANCEL_ORDER, is_own_order=True, amount=amount) == decision
        assert assess("customer", MoneyOperation.CANCEL_ORDER, amount=amount) == ApprovalRequirement.NOT_APPROVER

    @pytest.mark.parametrize(
        "operation", [*WAITING_OPERATIONS, MoneyOperation.CONFIRM_TRANSFER, MoneyOperation.ACCEPT_ATTEMPT]
    )
    @pytest.mark.parametrize(
        ("decided_alone", "amount", "decision"),
        [
            (0, LIMIT, ApprovalRequirement.NOT_REQUIRED),
            (0, LIMIT + 1, ApprovalRequirement.ABOVE_THRESHOLD),
            (15_000, 5_000, ApprovalRequirement.NOT_REQUIRED),
            (15_000, 5_001, ApprovalRequirement.ABOVE_THRESHOLD),
            (LIMIT, 1, ApprovalRequirement.ABOVE_THRESHOLD),
        ],
    )
    def test_approvers_decide_up_to_the_limit_of_an_order(
        self, operation: str, decided_alone: int, amount: int, decision: str
    ) -> None:
        assert assess("approver", operation, decided_alone=decided_alone, amount=amount) == decision

    @pytest.mark.parametrize("operation", [MoneyOperation.APPROVE_REFUND, MoneyOperation.HOLD_FOR_TRANSFER])
    def test_approvers_agree_to_the_request_of_another_person_at_any_amount(self, operation: str) -> None:
        assert assess("approver", operation, amount=10**12, decided_alone=LIMIT) == ApprovalRequirement.NOT_REQUIRED

    @pytest.mark.parametrize("operation", [one for one in IMMEDIATE_OPERATIONS if one in REFUND_OPERATIONS])
    def test_nobody_agrees_to_an_own_request(self, operation: str) -> None:
        assert assess("approver", operation, is_requester=True) == ApprovalRequirement.OWN_REQUEST

    def test_a_transfer_that_another_approver_agreed_to_has_no_limit(self) -> None:
        operation = MoneyOperation.CONFIRM_TRANSFER
        assert (
            assess("approver", operation, amount=LIMIT + 1, has_second_person=True) == ApprovalRequirement.NOT_REQUIRED
        )


# With rows ------------------------------------------------------------------------------------------------------------

with_rows = pytest.mark.usefixtures("db", "colleagues")


@pytest.fixture
def limit(settings: Any) -> int:
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = LIMIT
    return LIMIT


def request(order: Any, actor: Actor, amount: int | None = None) -> Refund:
    (refund,) = request_refunds(order_id=order.pk, amount=amount, reason="other", actor=actor, now=clock.now())
    return refund


def fail(refund: Refund) -> Refund:
    mark_refund_failed(refund=refund, error=GatewayError(code="BAD_REQUEST_ERROR"), now=clock.now())
    refund.refresh_from_db()
    return refund


def transfer(refund: Refund, actor: Actor, reference: str = "UTR 1") -> Refund:
    if not reference:
        return bank_transfers.hold_refund_for_transfer(refund_id=refund.pk, actor=actor, now=clock.now())
    return bank_transfers.confirm_refund_transfer(
        refund_id=refund.pk, reference=reference, actor=actor, now=clock.now()
    )


@pytest.fixture
def refused() -> Callable[[type[Exception], Callable[[], Any]], str]:
    """Return a function that makes sure that an action is refused with an error and changes nothing; it returns the text."""

    def check(error: type[Exception], action: Callable[[], Any]) -> str:
        with nothing_changes(), pytest.raises(error) as raised:
            action()
        return str(raised.value)

    return check


@with_rows
class TestLimitInPieces:
    """What one person decided alone about an order before counts, whichever way it was decided."""

    def test_review_counts_what_was_requested(self, order: Any, limit: int) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))
        request(order, ASHA, 15_000)

        refund = payment_reviews.refund_reviewed_attempt(attempt_id=other.pk, actor=ASHA, now=clock.now())

        assert (refund.amount, refund.status) == (15_000, "requires_approval")

    def test_request_counts_what_was_refunded_by_review(self, order: Any, limit: int) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))
        assert (
            payment_reviews.refund_reviewed_attempt(attempt_id=other.pk, actor=ASHA, now=clock.now()).status
            == "pending"
        )

        assert request(order, ASHA, 5_001).status == "requires_approval"
        assert request(order, ASHA, 5_000).status == "pending"

    def test_review_counts_only_what_is_left_of_the_money(self, order: Any, limit: int) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=25_000))
        (part,) = requests.request_refund_by_amount(
            order_id=order.pk, payment_id=payment.pk, amount=order.total_amount, reason="other", actor=SYSTEM, now=clock.now()
        )  # fmt: skip
        assert part.attempt_id != other.pk
        apply_refund(part)
        requests.request_refund_by_amount(
            order_id=order.pk, payment_id=payment.pk, amount=10_000, reason="other", actor=SYSTEM, now=clock.now()
        )

        refund = payment_reviews.refund_reviewed_attempt(attempt_id=other.pk, actor=ASHA, now=clock.now())

        assert (refund.amount, refund.status) == (15_000, "pending")

    def test_retry_counts_what_was_requested(self, order: Any, limit: int) -> None:
        pay(order)
        failed = fail(request(order, ASHA, 15_000))
        request(order, ASHA, 15_000)

        again = requests.retry_refund(refund_id=failed.pk, actor=ASHA, now=clock.now())

        assert again.status == "requires_approval"

    def test_transfer_counts_what_was_transferred(self, order: Any, limit: int, refused: Any) -> None:
        pay(order)
        first = fail(request(order, CHITRA, 15_000))
        second = fail(request(order, CHITRA, 15_000))
        transfer(first, BALA)

        text = refused(decision_rights.SecondPersonRequired, lambda: transfer(second, BALA, "UTR 2"))

        assert text == (
            f"A second person must approve: ₹150.00 of order {order.number} is above the ₹200.00 that one person may"
            " approve for an order."
        )
        transfer(second, BALA, "")
        assert transfer(second, ASHA, "UTR 2").transferred_by == str(ASHA)

    def test_request_counts_what_was_transferred(self, order: Any, limit: int) -> None:
        pay(order)
        transfer(fail(request(order, ASHA, 15_000)), BALA)

        assert request(order, BALA, 5_001).status == "requires_approval"
        assert request(order, BALA, 5_000).status == "pending"

    def test_what_two_have_decided_does_not_count(self, order: Any, limit: int) -> None:
        pay(order)
        large = request(order, ASHA, 25_000)
        approvals.approve_refund(refund_id=large.pk, actor=BALA, now=clock.now())
        held = fail(Refund.objects.get(pk=large.pk))
        transfer(held, CHITRA)

        assert request(order, ASHA, LIMIT).status == "pending"


@with_rows
class TestCancelPaidOrder:
    """Cancelling follows the rule of requesting a refund, but for a customer who cancels an own order."""

    @pytest.mark.parametrize(
        ("who", "status"),
        [("owner", "pending"), ("support", "requires_approval"), ("administrator", "pending")],
    )
    def test_refund_waits_if_the_actor_may_not_decide(
        self, order: Any, request: pytest.FixtureRequest, who: str, status: str
    ) -> None:
        pay(order)
        actor = actor_for(request.getfixturevalue(who))

        cancelled = order_cancellation.cancel_order(order_id=order.pk, actor=actor, reason="Sold out", now=clock.now())

        refund = Refund.objects.get()
        assert (cancelled.status, refund.amount, refund.status) == ("cancelled", order.total_amount, status)

    def test_what_was_decided_before_counts(self, order: Any, administrator: Any, settings: Any) -> None:
        pay(order)
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = order.total_amount - 1
        request(order, ASHA, 100)

        order_cancellation.cancel_order(order_id=order.pk, actor=actor_for(administrator), reason="", now=clock.now())

        statuses = Refund.objects.order_by("sequence").values_list("amount", "status")
        assert list(statuses) == [(100, "pending"), (order.total_amount - 100, "requires_approval")]


@with_rows
class TestOwnOrder:
    """Nobody decides alone about money of an order of their own, whatever their role and whichever way they take."""

    @pytest.fixture
    def own(self, shop: Any, administrator: Any) -> Any:
        order = make_order(administrator)
        pay(order)
        return order

    @pytest.fixture
    def actor(self, administrator: Any) -> Actor:
        return actor_for(administrator)

    def test_request_waits(self, own: Any, actor: Actor) -> None:
        assert request(own, actor).status == "requires_approval"

    def test_cancelling_waits(self, own: Any, actor: Actor) -> None:
        order_cancellation.cancel_order(order_id=own.pk, actor=actor, reason="", now=clock.now())

        assert Refund.objects.get().status == "requires_approval"

    def test_retry_waits(self, own: Any, actor: Actor) -> None:
        failed = fail(request(own, ASHA))

        assert requests.retry_refund(refund_id=failed.pk, actor=actor, now=clock.now()).status == "requires_approval"

    def test_review_waits(self, own: Any, actor: Actor) -> None:
        attempt = apply_payment(make_gateway_payment(PaymentAttempt.objects.get().payment, amount=15_000))

        refund = payment_reviews.refund_reviewed_attempt(attempt_id=attempt.pk, actor=actor, now=clock.now())

        assert refund.status == "requires_approval"

    def test_approval_is_refused(self, own: Any, actor: Actor, refused: Any) -> None:
        refund = request(own, DEEPA)

        text = refused(
            decision_rights.SelfApprovalForbidden,
            lambda: approvals.approve_refund(refund_id=refund.pk, actor=actor, now=clock.now()),
        )

        assert text == (
            f"Another person must decide about the refund or payment of order {own.number}, because it is your own order."
        )

    @pytest.mark.parametrize("reference", ["", "UTR 1"])
    def test_transfer_is_refused(self, own: Any, actor: Actor, refused: Any, reference: str) -> None:
        failed = fail(request(own, ASHA))

        refused(decision_rights.SelfApprovalForbidden, lambda: transfer(failed, actor, reference))

    def test_dispute_is_not_answered(self, own: Any, actor: Actor, refused: Any) -> None:
        dispute = make_dispute(PaymentAttempt.objects.get())

        refused(
            decision_rights.SelfApprovalForbidden,
            lambda: responses.accept_dispute(dispute_id=dispute.pk, actor=actor, now=clock.now()),
        )
        refused(
            decision_rights.SelfApprovalForbidden,
            lambda: responses.contest_dispute(dispute_id=dispute.pk, summary="Mine", actor=actor, now=clock.now()),
        )

    def test_api_answers_403(self, own: Any, administrator: Any, client_of: Any) -> None:
        refund = request(own, DEEPA)
        client, path = client_of(administrator), f"/api/v1/refunds/{refund.public_id}/approve"

        with nothing_changes(but=KEPT_ANSWERS):
            answer = client.post(path, {}, format="json", HTTP_IDEMPOTENCY_KEY="approve-my-own")

        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "self_approval_forbidden")

    @pytest.mark.parametrize("way", ["page", "list"])
    def test_admin_refuses(self, own: Any, administrator: Any, way: str) -> None:
        refund = request(own, DEEPA)
        client = Client()
        client.force_login(administrator)

        with nothing_changes():
            if way == "page":
                answer = client.post(reverse("admin:payments_refund_action", args=[refund.pk, "approve"]))
            else:
                chosen = {"action": "approve", "_selected_action": [str(refund.pk)]}
                answer = client.post(reverse("admin:payments_refund_changelist"), chosen, follow=True)

        assert "because it is your own order." in answer.content.decode()


@with_rows
class TestAdminPages:
    """Each page says beforehand whether its reader decides alone."""

    def page(self, user: Any, thing: Any, action: str) -> str:
        client = Client()
        client.force_login(user)
        name = f"admin:{thing._meta.label_lower.replace('.', '_')}_action"
        return str(client.get(reverse(name, args=[thing.pk, action])).content.decode())

    @pytest.mark.parametrize(
        ("above", "text"),
        [
            (49_900, "You may decide this alone. It takes effect at once."),
            (49_899, "it is above the ₹498.99 that one person may approve for an order."),
        ],
    )
    def test_cancelling_and_retrying(
        self, order: Any, administrator: Any, settings: Any, above: int, text: str
    ) -> None:
        failed = fail(make_refund(order, is_approved=True))
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = above

        assert text in self.page(administrator, order, "cancel")
        assert text in self.page(administrator, failed, "retry")

    def test_own_order(self, administrator: Any, shop: Any) -> None:
        own = make_order(administrator)
        refund = make_refund(own, amount=10_000)
        other = apply_payment(make_gateway_payment(PaymentAttempt.objects.get().payment, amount=15_000))

        assert "This is your own order, so another person must approve" in self.page(administrator, own, "cancel")
        assert "This is your own order, so another person must approve" in self.page(administrator, other, "refund")
        assert "because it is your own order." in self.page(administrator, refund, "approve")

    def test_transfer_over_the_limit(self, order: Any, finance: Any, limit: int) -> None:
        failed = fail(make_refund(order, is_approved=True, amount=LIMIT + 1))
        Refund.objects.filter(pk=failed.pk).update(approved_by="", approved_at=None)

        assert "A second person must approve: ₹200.01 of order" in self.page(finance, failed, "transfer")

    def test_support_reviews(self, order: Any, support: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment))
        other = apply_payment(make_gateway_payment(payment, amount=15_000))

        assert "Another person must approve the refund first." in self.page(support, other, "refund")


@with_rows
class TestAcceptedShortfall:
    """Less than was requested, accepted as the full payment, is money that one person gave up."""

    def test_counts_against_the_limit(self, order: Any, limit: int) -> None:
        less = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 15_000))
        payment_acceptance.accept_attempt(attempt_id=less.pk, reason="other", actor=ASHA, now=clock.now())

        assert request(order, ASHA, 5_001).status == "requires_approval"
        assert request(order, ASHA, 5_000).status == "pending"

    def test_accepted_by_two_does_not(self, order: Any, limit: int) -> None:
        less = apply_payment(make_gateway_payment(make_payment(order), amount=order.total_amount - 25_000))
        for actor in (ASHA, BALA):
            payment_acceptance.accept_attempt(attempt_id=less.pk, reason="other", actor=actor, now=clock.now())

        assert request(order, ASHA, LIMIT).status == "pending"

    def test_own_order_is_not_accepted(self, administrator: Any, shop: Any, refused: Any) -> None:
        own = make_order(administrator)
        less = apply_payment(make_gateway_payment(make_payment(own), amount=own.total_amount - 100))
        actor = actor_for(administrator)

        refused(
            decision_rights.SelfApprovalForbidden,
            lambda: payment_acceptance.accept_attempt(attempt_id=less.pk, reason="other", actor=actor, now=clock.now()),
        )


@with_rows
class TestRole:
    def test_support_approves_nothing(self, order: Any, support: Any, refused: Any) -> None:
        refund = make_refund(order)

        refused(
            decision_rights.SecondPersonRequired,
            lambda: approvals.approve_refund(refund_id=refund.pk, actor=actor_for(support), now=clock.now()),
        )

    def test_an_approver_who_has_left_decides_nothing(self, order: Any, finance: Any) -> None:
        pay(order)
        finance.is_active = False
        finance.save()

        assert request(order, actor_for(finance), 100).status == "requires_approval"

    @pytest.mark.parametrize("actor", [Actor("user", "cus_nobody"), Actor("anonymous", ""), Actor("api_key", "key_1")])
    def test_who_is_not_known_decides_nothing(self, order: Any, actor: Actor) -> None:
        pay(order)

        assert request(order, actor, 100).status == "requires_approval"
