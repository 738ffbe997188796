"""The back office of money back: who may do what to refunds, money in doubt and exceptions, and that a refusal changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.cache import cache
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client
from django.urls import reverse

from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.models import Event
from apps.core.money import rupees
from apps.ledger.models import LedgerTransaction, ReconciliationException
from apps.orders.models import Order
from apps.payments.admin import refund_forecasts
from apps.payments.facts import GatewayError
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services import payment_reviews
from apps.payments.services.refunds import amounts, approvals, bank_transfers, requests
from apps.payments.services.refunds.gateway_updates import mark_refund_failed, mark_refund_unknown
from tests.factories.accounts import make_staff
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    make_dispute,
    make_exception,
    make_gateway_payment,
    make_payment,
    make_refund,
    pay,
)
from tests.support.admin_clients import signed_in

pytestmark = pytest.mark.django_db

ROLES = ("support", "finance", "catalogue_manager", "admin")
DECIDE = ("finance", "admin")


@pytest.fixture(autouse=True)
def _fresh_numbers() -> Any:
    cache.delete_many(["back-office:numbers", "back-office:staff"])
    yield
    cache.delete_many(["back-office:numbers", "back-office:staff"])


def address(thing: Any, action: str) -> str:
    return reverse(f"admin:{thing._meta.label_lower.replace('.', '_')}_action", args=[thing.pk, action])


def page_of(thing: Any) -> str:
    return reverse(f"admin:{thing._meta.label_lower.replace('.', '_')}_change", args=[thing.pk])


def state() -> tuple[Any, ...]:
    """Return everything that a refusal must leave as it was."""
    return (
        sorted(Refund.objects.values_list("number", "status", "version")),
        sorted(Order.objects.values_list("number", "status", "version")),
        sorted(PaymentAttempt.objects.values_list("gateway_payment_id", "version")),
        sorted(Payment.objects.values_list("pk", "version")),
        sorted(ReconciliationException.objects.values_list("pk", "version")),
        LedgerTransaction.objects.count(),
        Event.objects.count(),
    )


def waiting(order: Any) -> Refund:
    return make_refund(order, amount=20_000)


def failed(order: Any) -> Refund:
    refund = make_refund(order, is_approved=True)
    error = GatewayError(code="BAD_REQUEST_ERROR", reason="account_closed", description="The account is closed.")
    mark_refund_failed(refund=refund, error=error, now=clock.now())
    return Refund.objects.get(pk=refund.pk)


def held(order: Any) -> Refund:
    return bank_transfers.hold_refund_for_transfer(refund_id=failed(order).pk, actor=SYSTEM, now=clock.now())


def unknown(order: Any) -> Refund:
    refund = make_refund(order, is_approved=True)
    mark_refund_unknown(refund=refund, error=GatewayError(), now=clock.now())
    return Refund.objects.get(pk=refund.pk)


def differing(order: Any) -> PaymentAttempt:
    payment = make_payment(order)
    return apply_payment(make_gateway_payment(payment, amount=payment.amount + 1))


def differing_and_refunded(order: Any) -> PaymentAttempt:
    attempt = differing(order)
    payment_reviews.refund_reviewed_attempt(
        attempt_id=attempt.pk, actor=actor_for(make_staff("finance")), now=clock.now()
    )
    return attempt


def exception(order: Any) -> ReconciliationException:
    return make_exception()


def unanswered(order: Any) -> Payment:
    payment = make_payment(order, is_ready=False)
    Payment.objects.filter(pk=payment.pk).update(gateway_call="unknown", checks=1)
    return payment


def paid(order: Any) -> Any:
    pay(order)
    return order


#: What it is done to, its name, what is typed, who may, and what it leads to.
ACTIONS: list[tuple[Callable[[Any], Any], str, dict[str, str], tuple[str, ...], str]] = [
    (waiting, "approve", {}, DECIDE, "pending"),
    (waiting, "reject", {"reason": "Worn"}, DECIDE, "cancelled"),
    (failed, "retry", {}, DECIDE, "failed"),
    (failed, "transfer", {"reference": "UTR 1"}, DECIDE, "processed"),
    (failed, "transfer", {"reference": ""}, DECIDE, "awaiting_transfer"),
    (held, "give-up", {"reason": "No account told"}, DECIDE, "cancelled"),
    (unknown, "ask", {}, ("support", *DECIDE), "unknown"),
    (differing, "accept", {"reason": "other", "note": "Agreed by phone"}, DECIDE, "captured"),
    (differing, "refund", {"note": "Not ours"}, ("support", *DECIDE), "captured"),
    (differing_and_refunded, "close", {"note": "Done"}, DECIDE, "captured"),
    (unanswered, "ask", {}, ("support", *DECIDE), "requires_payment"),
    (exception, "take", {}, DECIDE, ""),
    (exception, "resolve", {"resolution": "noted", "note": "Their new price list"}, DECIDE, ""),
    (paid, "cancel", {"reason": "Sold out"}, ("support", "admin"), "cancelled"),
]


@pytest.mark.parametrize("role", [*ROLES, "stranger", "anonymous"])
@pytest.mark.parametrize(
    ("make", "action", "typed", "may", "leads_to"), ACTIONS, ids=lambda one: getattr(one, "__name__", None)
)
def test_an_action_is_done_by_whom_it_is_for_and_by_nobody_else(
    order: Any,
    stranger: Any,
    role: str,
    make: Any,
    action: str,
    typed: dict[str, str],
    may: tuple[str, ...],
    leads_to: str,
) -> None:
    thing = make(order)
    if role == "anonymous":
        client = Client()
    else:
        client = signed_in(stranger if role == "stranger" else make_staff(role))
    url, before = address(thing, action), state()

    looked = client.get(url)
    assert state() == before, "looking changes nothing"
    answer = client.post(url, typed)

    thing = type(thing).objects.get(pk=thing.pk)
    if role in may:
        assert (looked.status_code, answer.status_code, answer.headers["Location"]) == (200, 302, page_of(thing))
        assert getattr(thing, "status", "") == leads_to
        assert state() != before
    else:
        expected = 302 if role in ("stranger", "anonymous") else 403
        assert (looked.status_code, answer.status_code, state()) == (expected, expected, before)


@pytest.mark.parametrize("role", ROLES)
def test_a_page_offers_what_its_reader_may_do(order: Any, role: str) -> None:
    refund = waiting(order)
    answer = signed_in(make_staff(role)).get(page_of(refund))

    assert answer.status_code == (403 if role == "catalogue_manager" else 200)
    assert (address(refund, "approve") in answer.content.decode()) is (role in DECIDE)


def test_the_page_of_a_refund_names_the_buyer_and_the_way_back(order: Any, finance: Any) -> None:
    refund = waiting(order)

    content = signed_in(finance).get(page_of(refund)).content.decode()

    assert f">{order.customer.name}</a>" in content
    assert "To the original payment method: UPI, ga***@upi." in content
    for word in ("Gateway call", "Next check at", "Manual reference"):
        assert word not in content


def test_the_page_that_approves_a_refund_says_what_the_request_said(order: Any, finance: Any) -> None:
    pay(order)
    line = order.lines.get(position=1)
    refund = make_refund(order, lines=[amounts.RefundLineInput(line.pk, 1)])

    content = signed_in(finance).get(address(refund, "approve")).content.decode()

    for words in (
        f"paid for {order.number}",
        order.customer.name,
        f"1 of {line.name}, worth {rupees(refund.amount)}.",
        "is refunded to the original payment method: UPI, ga***@upi.",
        "The buyer is notified by SMS and in-app message when the refund is on its way",
    ):
        assert words in content


def test_ids_keep_their_small_letters_in_the_title(order: Any, finance: Any) -> None:
    payment = make_payment(order)

    content = signed_in(finance).get(page_of(payment)).content.decode()

    title = content[content.index("<h1") : content.index("</h1>")]
    assert payment.public_id in title
    assert payment.public_id.capitalize() not in title


@pytest.mark.parametrize("role", ["support", "admin"])
def test_a_disputed_order_offers_no_cancelling(order: Any, role: str) -> None:
    attempt = pay(order)
    client = signed_in(make_staff(role))
    assert address(order, "cancel") in client.get(page_of(order)).content.decode()

    make_dispute(attempt)

    assert address(order, "cancel") not in client.get(page_of(order)).content.decode()
    assert client.get(address(order, "cancel")).status_code == 302


def test_a_link_names_the_ways_by_which_its_buyer_gets_it(order: Any, support: Any) -> None:
    client = signed_in(support)
    without_email = client.get(address(order, "send-link")).content.decode()
    type(order.customer).objects.filter(pk=order.customer_id).update(
        email="asha@mail.example", email_confirmed_at=clock.now()
    )

    with_email = client.get(address(order, "send-link")).content.decode()

    assert "The buyer receives the link by SMS and in-app message." in without_email
    assert "The buyer receives the link by SMS, e-mail and in-app message." in with_email


def test_requester_sees_that_another_person_must_approve(order: Any, finance: Any, settings: Any) -> None:
    pay(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = order.total_amount - 1
    refund = make_refund(order, actor=actor_for(finance))
    before = state()

    answer = signed_in(finance).post(address(refund, "approve"))

    assert f"Another person must approve refund {refund.number}, because you requested it." in answer.content.decode()
    assert state() == before


def test_requester_sees_that_another_person_must_transfer(order: Any, finance: Any) -> None:
    refund = failed(order)
    mine = requests.retry_refund(refund_id=refund.pk, actor=actor_for(finance), now=clock.now())
    mark_refund_failed(refund=mine, error=GatewayError(), now=clock.now())
    before = state()

    answer = signed_in(finance).post(address(mine, "transfer"), {"reference": "UTR 77"})

    assert f"Another person must transfer refund {mine.number}, because you requested it." in answer.content.decode()
    assert "UTR 77" in answer.content.decode(), "what was typed is still there"
    assert state() == before


def test_what_is_over_is_not_offered_and_not_done(order: Any, finance: Any) -> None:
    refund = waiting(order)
    approvals.reject_refund(refund_id=refund.pk, actor=actor_for(finance), reason="", now=clock.now())
    before, client = state(), signed_in(finance)

    assert address(refund, "approve") not in client.get(page_of(refund)).content.decode()
    answer = client.post(address(refund, "approve"), follow=True)

    assert "is no longer possible" in answer.content.decode()
    assert state() == before


@pytest.mark.parametrize("where", ["no-such-action", "approve"])
def test_what_is_not_there_leads_to_the_start(order: Any, finance: Any, where: str) -> None:
    refund = waiting(order)
    url = address(refund, where)
    if where == "approve":
        url = url.replace(str(refund.pk), "0190a0a0-0000-7000-8000-000000000001")

    assert signed_in(finance).post(url).headers["Location"] == "/admin/"


def test_a_reason_is_asked_for(order: Any, finance: Any) -> None:
    refund = waiting(order)
    before = state()

    assert signed_in(finance).post(address(refund, "reject"), {"reason": " "}).status_code == 200
    assert state() == before


def test_an_exception_that_holds_money_is_not_resolved_as_noted(order: Any, finance: Any) -> None:
    row = make_exception(held_amount=118)
    before = state()

    answer = signed_in(finance).post(address(row, "resolve"), {"resolution": "noted", "note": "seen"})

    assert "This exception holds ₹1.18 in suspense" in answer.content.decode()
    assert state() == before


def test_an_exception_is_given_to_those_alone_who_may_decide(order: Any, finance: Any, support: Any) -> None:
    row, client = make_exception(), signed_in(finance)
    other = make_staff("finance")

    assert client.post(address(row, "give"), {"owner": str(support.pk)}).status_code == 200
    assert ReconciliationException.objects.get().owner_id is None
    client.post(address(row, "give"), {"owner": str(other.pk)})

    assert ReconciliationException.objects.get().owner_id == other.pk


@pytest.mark.parametrize(("whose", "found"), [("mine", "pay_mine"), ("nobody", "pay_nobodys")])
def test_exceptions_by_owner_with_their_age(order: Any, finance: Any, whose: str, found: str) -> None:
    make_exception(entity_id="pay_mine", owner=finance)
    make_exception(entity_id="pay_nobodys")

    page = signed_in(finance).get("/admin/ledger/reconciliationexception/", {"whose": whose}).content.decode()

    assert [name for name in ("pay_mine", "pay_nobodys") if name in page] == [found]
    assert "Age" in page


@pytest.mark.parametrize(("todo", "make"), [("approve", waiting), ("failed", failed), ("unknown", unknown)])
def test_refunds_by_what_is_to_be_done(order: Any, owner: Any, finance: Any, todo: str, make: Any) -> None:
    refund = make(order)
    other = make_refund(make_order(owner), is_approved=True)

    page = signed_in(finance).get("/admin/payments/refund/", {"todo": todo}).content.decode()

    assert refund.number in page
    assert other.number not in page


def test_the_list_of_refunds_names_staff_with_as_many_queries_for_fifty_as_for_one(
    order: Any, finance: Any, count_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The cache of all tests is one, and another may empty it meanwhile.
    monkeypatch.setattr(refund_forecasts, "cache", LocMemCache("names", {}))
    pay(order)
    client = signed_in(finance)
    make_refund(order, amount=100, actor=actor_for(finance))
    assert finance.name in client.get("/admin/payments/refund/").content.decode()
    with count_queries() as for_one:
        client.get("/admin/payments/refund/")
    for _ in range(49):
        make_refund(order, amount=100)

    with count_queries() as for_fifty:
        client.get("/admin/payments/refund/")

    assert len(for_fifty) == len(for_one)


def test_money_that_needs_attention_is_on_one_page(
    order: Any, owner: Any, finance: Any, support: Any, catalogue_manager: Any
) -> None:
    attempt, refund, payment = differing(order), unknown(make_order(owner)), unanswered(make_order(owner))
    url = reverse("admin:payments_needing_attention")

    for reader in (finance, support):
        page = signed_in(reader).get(url).content.decode()
        assert all(page_of(thing) in page for thing in (attempt, refund, payment))
    assert signed_in(catalogue_manager).get(url).status_code == 403
    assert signed_in(owner).get(url).status_code == 302
    page = signed_in(finance).get("/admin/payments/paymentattempt/", {"review": "open"}).content.decode()
    assert attempt.gateway_payment_id in page


def test_the_start_page_counts_what_is_to_be_done_and_leads_there(order: Any, owner: Any, finance: Any) -> None:
    for make in (waiting, failed, differing, unknown, exception):
        make(make_order(owner))
    client = signed_in(finance)

    page = " ".join(client.get("/admin/").content.decode().split())

    for title, figure, href in (
        ("Refunds to approve", 1, "/admin/payments/refund/?todo=approve"),
        ("Refunds failed", 1, "/admin/payments/refund/?todo=failed"),
        ("Money that needs attention", 2, "/admin/payments/paymentattempt/needs-attention/"),
        ("Exceptions open", 1, "/admin/ledger/reconciliationexception/?state=open"),
        ("Disputes due", 0, "/admin/payments/dispute/?status__exact=open"),
    ):
        tile = page[page.index(f'href="{href}"') :][:900]
        assert title in tile
        assert f"> {figure} <" in tile.replace(f">{figure}<", f"> {figure} <")
        assert client.get(href).status_code == 200


def test_cancellation_page_shows_refund_and_message_to_buyer(order: Any, support: Any, settings: Any) -> None:
    pay(order)
    settings.REFUND_APPROVAL_THRESHOLD_PAISE = order.total_amount - 1

    page = signed_in(support).get(address(order, "cancel")).content.decode()

    for words in (
        "₹499.00 is refunded to the original payment method.",
        "Another person must approve the refund first.",
        "1 unit can be sold again at once.",
        f"Order {order.number} is cancelled. Anything you have paid for it will be returned.",
    ):
        assert words in page


def test_an_order_that_is_being_paid_is_not_cancelled(order: Any, support: Any) -> None:
    make_payment(order)
    client, before = signed_in(support), state()

    assert "A payment of this order is open." in client.get(address(order, "cancel")).content.decode()
    answer = client.post(address(order, "cancel"), {"reason": "Sold out"})

    assert f"A payment of order {order.number} is open." in answer.content.decode()
    assert state() == before
