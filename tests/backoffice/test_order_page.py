"""The order's page: what to do in one sentence, lines and money first, and nothing that is empty; masked for whom it must be."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core import clock
from apps.core.admin_panels import find_headline
from apps.core.dates import format_instant
from apps.core.events import SYSTEM
from apps.core.money import rupees
from apps.orders import services
from apps.orders.models import Order
from apps.payments.facts import GatewayError
from apps.payments.models import Refund
from apps.payments.services import order_cancellation, payments
from apps.payments.services.refunds import amounts, requests
from apps.payments.services.refunds.gateway_updates import mark_refund_failed, mark_refund_unknown
from apps.payments.states import AttemptStatus
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.catalog import make_variant
from tests.factories.notifications import make_notification
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import apply_payment, make_dispute, make_gateway_payment, make_payment, make_refund, pay

pytestmark = pytest.mark.django_db


def page_of(thing: Any) -> str:
    return reverse(f"admin:{thing._meta.label_lower.replace('.', '_')}_change", args=[thing.pk])


def read(user: Any, thing: Any) -> str:
    client = Client()
    client.force_login(user)
    return " ".join(client.get(page_of(thing)).content.decode().split())


def headline_of(order: Order) -> str:
    found = find_headline(Order.objects.get(pk=order.pk))
    return found.text if found is not None else ""


def sums_of(content: str) -> dict[str, str]:
    """Return the sums of an order's page by their titles."""
    return dict(re.findall(r'<dt class="grow [^"]*">([^<]+)</dt> <dd [^>]*>([^<]+)</dd>', content))


@pytest.fixture
def order(reference_data: None, owner: Any) -> Order:
    """Two units of ₹118.00 with 18 % of IGST."""
    return make_order(owner, [(make_variant(price=11_800), 2)])


class TestOrderSummary:
    def test_lines_and_sums_come_before_everything_else_and_zeros_are_left_out(
        self, order: Order, support: Any
    ) -> None:
        pay(order)

        content = read(support, order)

        line = order.lines.get()
        assert f"2 × {line.name}" in content
        assert sums_of(content) == {
            "Value without tax": "₹200.00", "IGST": "₹36.00", "Total": "₹236.00", "Paid": "₹236.00",
        }  # fmt: skip
        places = [
            content.index(text)
            for text in ("data-headline", line.name, "Customer</h2>", "Payments</h2>", "Timeline</h2>")
        ]
        assert places == sorted(places)

    def test_what_is_still_to_be_paid_is_a_sum(self, order: Order, support: Any) -> None:
        assert sums_of(read(support, order))["Due"] == "₹236.00"

    def test_refunded_money_is_a_sum(self, order: Order, support: Any) -> None:
        refund = make_refund(order, amount=10_000, is_approved=True)
        Order.objects.filter(pk=order.pk).update(refunded_amount=refund.amount)

        assert sums_of(read(support, order))["Refunded"] == "₹100.00"

    def test_panels_without_rows_are_named_in_one_line(self, order: Order, finance: Any) -> None:
        content = read(finance, order)

        assert "Nothing yet: Payments, Disputes, Parcels, Refunds, Invoices and credit notes." in content
        assert "Refunds</h2>" not in content

    def test_internal_events_and_the_ledger_are_folded(self, order: Order, administrator: Any) -> None:
        pay(order)

        content = read(administrator, order)

        for title in ("Ledger", "Internal events", "Details"):
            assert re.search(rf"<summary [^>]*>{title}", content)
        shown = content[content.index("Timeline</h2>") : content.index("Internal events")]
        assert "The order is paid and confirmed." in shown
        assert "payment noted" not in shown
        assert "We sent you a message" not in shown

    def test_staff_are_named_in_what_happened(self, order: Order, support: Any, finance: Any) -> None:
        make_refund(order, amount=10_000, actor=actor_for(finance))

        content = read(support, order)

        shown = content[content.index("Timeline</h2>") : content.index("Internal events")]
        assert f">{finance.name}</td>" in shown
        assert finance.public_id not in content

    def test_a_column_that_holds_nothing_is_left_out(self, order: Order, support: Any) -> None:
        shown = read(support, order)
        shown = shown[shown.index("Timeline</h2>") :]

        assert "What</th>" in shown
        assert "Why</th>" not in shown[: shown.index("</section>")]


class TestHeadline:
    """One sentence of the highest rank, in words, with ₹ and Indian times."""

    def test_an_unpaid_order_waits_for_its_payment(self, order: Order) -> None:
        assert headline_of(order) == (
            f"The order waits for its payment of ₹236.00 until {format_instant(order.expires_at)}. If the buyer cannot pay in"
            " the app, send them a payment link."
        )

    def test_a_payment_under_way_is_waited_for(self, order: Order) -> None:
        apply_payment(make_gateway_payment(make_payment(order), status=AttemptStatus.CREATED))

        assert headline_of(order) == "The buyer is paying ₹236.00 now. No action is needed until the payment has ended."

    def test_an_open_payment_says_until_when_it_can_be_paid(self, order: Order) -> None:
        payment = make_payment(order)

        assert headline_of(order) == (
            f"The buyer has begun to pay ₹236.00, and can go on until {format_instant(payment.live_until)}."
        )

    @pytest.mark.parametrize(
        ("channel", "next_action", "expected", "happened"),
        [
            (
                "payment_link",
                {"type": "payment_link", "url": "https://rzp.io/i/1"},
                "A payment link for ₹236.00 was sent; it is open until {}.",
                "A payment link was created.",
            ),
            (
                "qr_code",
                {"type": "qr_code", "image_url": "https://rzp.io/q/1"},
                "A QR code for ₹236.00 is on the payment's page; it can be paid until {}.",
                "A QR code for the payment was created.",
            ),
            (
                "payment_link",
                {},
                "The gateway has not created the payment link or QR code for ₹236.00 yet; it is checked again automatically.",
                "A payment link was created.",
            ),
        ],
    )
    def test_a_link_or_code_is_named_as_what_it_is(
        self, order: Order, support: Any, channel: str, next_action: dict[str, str], expected: str, happened: str
    ) -> None:
        payment = payments.start_link_payment(
            order_id=order.pk, channel=channel, actor=actor_for(support), now=clock.now()
        )
        type(payment).objects.filter(pk=payment.pk).update(next_action=next_action)

        assert headline_of(order) == expected.format(format_instant(payment.live_until))
        content = read(support, order)
        assert happened in content
        assert "A payment was started." not in content

    def test_an_attempt_that_ends_after_the_order_was_paid_is_left_out(self, order: Order, support: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment, id="pay_unused", status=AttemptStatus.CREATED))
        apply_payment(make_gateway_payment(payment, id="pay_card", status=AttemptStatus.CAPTURED))
        apply_payment(
            make_gateway_payment(payment, id="pay_unused", status=AttemptStatus.FAILED),
            now=clock.now() + timedelta(minutes=10),
        )

        content = read(support, order)

        shown = content[content.index("Timeline</h2>") : content.index("Internal events")]
        assert "An attempt to pay did not succeed." not in shown
        assert "pay_unused" not in content[: content.index("Internal events")]
        assert "pay_card" in content

    def test_a_failed_attempt_before_the_payment_stays_in_what_happened(self, order: Order, support: Any) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment, id="pay_1", status=AttemptStatus.FAILED))
        apply_payment(
            make_gateway_payment(payment, id="pay_2", status=AttemptStatus.CAPTURED),
            now=clock.now() + timedelta(minutes=1),
        )

        content = read(support, order)

        assert "An attempt to pay did not succeed." in content[: content.index("Internal events")]
        assert "pay_1" in content

    def test_a_failed_attempt_says_why_in_words(self, order: Order, support: Any) -> None:
        payment = make_payment(order)
        error = GatewayError(code="BAD_REQUEST_ERROR", reason="payment_cancelled", description="x")
        apply_payment(make_gateway_payment(payment, status=AttemptStatus.FAILED, error=error))

        assert headline_of(order).startswith(
            "The last attempt to pay failed (“The payer cancelled the payment.”), and the buyer can try again until "
        )
        content = read(support, order)
        assert "payment_cancelled" not in content
        assert content.count("The payer cancelled the payment.") == 2

    def test_a_paid_order_can_be_sent(self, order: Order) -> None:
        pay(order)

        assert (
            headline_of(order) == "The order is paid (₹236.00) and confirmed. Its goods are reserved and can be sent."
        )

    def test_money_of_another_amount_must_be_decided_about(self, order: Order) -> None:
        payment = make_payment(order)
        apply_payment(make_gateway_payment(payment, amount=payment.amount + 1_000))

        assert headline_of(order) == (
            "₹246.00 arrived where ₹236.00 was requested: accept it or refund it on the page of its payment attempt."
        )

    def test_a_refund_waits_for_approval(self, order: Order) -> None:
        refund = make_refund(order, amount=10_000)

        assert headline_of(order) == (
            f"Refund {refund.number} of ₹100.00 waits for approval by somebody other than the requester. The goods of the"
            " order can be sent."
        )

    def test_all_of_the_money_waiting_leaves_nothing_to_send(self, order: Order) -> None:
        refund = make_refund(order)

        assert headline_of(order) == (
            f"Refund {refund.number} of ₹236.00 waits for approval by somebody other than the requester."
        )

    def test_two_refunds_that_wait_are_both_counted(self, order: Order) -> None:
        make_refund(order, amount=10_000)
        make_refund(order, amount=2_050)

        assert headline_of(order) == (
            "2 refunds of ₹120.50 in total wait for approval by somebody other than the requester. The goods of the order"
            " can be sent."
        )

    def test_a_refund_on_its_way_leaves_the_goods_to_be_sent(self, order: Order) -> None:
        refund = make_refund(order, amount=10_000, is_approved=True)

        assert headline_of(order) == (
            f"Refund {refund.number} of ₹100.00 is on its way to the buyer. The goods of the order can be sent."
        )

    def test_two_refunds_on_their_way_are_both_counted(self, order: Order) -> None:
        make_refund(order, amount=10_000, is_approved=True)
        make_refund(order, amount=2_000, is_approved=True)

        assert headline_of(order) == (
            "2 refunds of ₹120.00 in total are on their way to the buyer. The goods of the order can be sent."
        )

    def test_refunded_units_leave_the_other_goods_to_be_sent(self, order: Order) -> None:
        line = order.lines.get()
        refund = make_refund(order, lines=[amounts.RefundLineInput(line.pk, 1)], is_approved=True)

        assert headline_of(order) == (
            f"Refund {refund.number} of ₹118.00 is on its way to the buyer. The other goods of the order can be sent."
        )
        Refund.objects.filter(pk=refund.pk).update(status="processed", processed_at=clock.now())
        assert headline_of(order) == (
            "₹118.00 of the ₹236.00 paid has been refunded. The other goods of the order can be sent."
        )

    def test_a_failed_refund_says_why_and_what_to_do(self, order: Order, finance: Any) -> None:
        refund = make_refund(order, is_approved=True)
        error = GatewayError(code="BAD_REQUEST_ERROR", reason="account_closed", description="x")
        mark_refund_failed(refund=refund, error=error, now=clock.now())

        expected = "The account that the money should go to is closed."
        assert headline_of(order) == (
            f"Refund {refund.number} of ₹236.00 failed (“{expected}”). Retry it, or pay it by bank transfer."
        )
        for thing in (order, refund):
            content = read(finance, thing)
            assert expected in content
            assert "account_closed" not in content

    def test_retried_refund_is_not_the_headline(self, order: Order, finance: Any) -> None:
        refund = make_refund(order, is_approved=True)
        mark_refund_failed(refund=refund, error=GatewayError(), now=clock.now())
        again = requests.retry_refund(refund_id=refund.pk, actor=actor_for(finance), now=clock.now())

        assert (
            headline_of(order) == f"Refund {again.number} of ₹236.00 is on its way to the buyer. No action is needed."
        )

    @pytest.mark.parametrize(
        ("amount", "expected"),
        [
            (
                10_000,
                "₹100.00 of the ₹236.00 paid has been refunded. The goods of the order can be sent.",
            ),
            (
                None,
                (
                    "All of the ₹236.00 paid has been refunded, but the order is still open and its goods are reserved. Cancel"
                    " the order, unless the goods are still to be sent."
                ),
            ),
        ],
    )
    def test_an_open_order_says_what_becomes_of_its_goods_after_a_refund(
        self, order: Order, amount: int | None, expected: str
    ) -> None:
        refund = make_refund(order, amount=amount, is_approved=True)
        type(refund).objects.filter(pk=refund.pk).update(status="processed", processed_at=clock.now())

        assert headline_of(order) == expected

    def test_a_cancelled_order_says_that_its_money_is_back(self, order: Order, administrator: Any) -> None:
        pay(order)
        order_cancellation.cancel_order(
            order_id=order.pk, actor=actor_for(administrator), reason="Sold out", now=clock.now()
        )
        refund = Refund.objects.get()
        assert (
            headline_of(order) == f"Refund {refund.number} of ₹236.00 is on its way to the buyer. No action is needed."
        )
        Refund.objects.filter(pk=refund.pk).update(status="processed", processed_at=clock.now())

        assert headline_of(order) == (
            "The order is cancelled and its ₹236.00 has been fully refunded. No action is needed."
        )

    def test_an_unknown_refund_is_asked_about(self, order: Order) -> None:
        refund = make_refund(order, is_approved=True)
        mark_refund_unknown(refund=refund, error=GatewayError(), now=clock.now())

        assert headline_of(order) == (
            f"The gateway has not confirmed refund {refund.number} of ₹236.00 yet; it is checked again automatically."
        )

    def test_dispute_has_priority(self, order: Order) -> None:
        attempt = pay(order)
        make_refund(order, amount=10_000)
        dispute = make_dispute(attempt, amount=13_600)

        assert dispute.respond_by is not None
        assert headline_of(order) == (
            "The payer's bank disputes ₹136.00 of this order: finance must accept or contest it by"
            f" {format_instant(dispute.respond_by)}, or it is lost."
        )

    def test_an_open_dispute_stands_before_a_newer_one_under_review(self, order: Order) -> None:
        attempt = pay(order)
        dispute = make_dispute(attempt, amount=5_000)
        make_dispute(attempt, amount=3_000, status="under_review")

        assert dispute.respond_by is not None
        assert headline_of(order) == (
            "The payer's bank disputes ₹50.00 of this order: finance must accept or contest it by"
            f" {format_instant(dispute.respond_by)}, or it is lost."
        )

    def test_of_open_disputes_the_one_to_answer_first_stands_first(self, order: Order) -> None:
        attempt = pay(order)
        soon = clock.now() + timedelta(days=2)
        make_dispute(attempt, amount=5_000, respond_by=soon)
        make_dispute(attempt, amount=3_000, respond_by=soon + timedelta(days=1))
        make_dispute(attempt, amount=2_000, respond_by=None)

        assert headline_of(order) == (
            f"The payer's bank disputes ₹50.00 of this order: finance must accept or contest it by {format_instant(soon)}, or it is lost."
        )

    def test_a_dispute_without_a_deadline_names_none(self, order: Order) -> None:
        make_dispute(pay(order), amount=5_000, respond_by=None)

        assert headline_of(order) == (
            "The payer's bank disputes ₹50.00 of this order: finance must accept or contest it, or it is lost."
        )

    def test_a_dispute_under_review_says_that_the_bank_decides(self, order: Order) -> None:
        make_dispute(pay(order), amount=5_000, status="under_review")

        assert headline_of(order) == (
            "The bank has our response about the disputed ₹50.00 and will decide. This money cannot be refunded meanwhile."
        )

    def test_an_expired_order_has_to_be_ordered_again(self, order: Order) -> None:
        at = order.expires_at + timedelta(minutes=1)
        services.expire_orders(now=at)

        assert headline_of(order) == (
            f"The order expired on {format_instant(at)} because it was not paid. If the buyer still wants the goods, they must"
            " order again."
        )

    def test_a_cancelled_order_says_when_and_why(self, order: Order) -> None:
        services.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="Ordered twice", now=order.placed_at)

        assert headline_of(order) == (
            f"The order was cancelled on {format_instant(order.placed_at)} with the reason “Ordered twice”. No action is needed."
        )

    def test_messages_that_were_not_sent_are_shown_unfolded(self, order: Order, support: Any) -> None:
        pay(order)
        message = make_notification(order.customer, status="failed", last_error="550: no such mailbox")
        type(message).objects.filter(pk=message.pk).update(root_id=order.pk)

        assert headline_of(order) == (
            "One message to the buyer was not sent. Check the messages below, and send it again if it is still true."
        )
        content = read(support, order)
        assert "The provider responded with 550: no such mailbox." in content
        assert "Messages</h2>" in content


class TestPermissions:
    def test_support_sees_phones_and_addresses_masked(self, order: Order, support: Any) -> None:
        customer = order.customer
        type(customer).objects.filter(pk=customer.pk).update(email="asha@mail.example")

        content = read(support, order)

        for secret in (customer.phone, "asha@mail.example", order.shipping_address.phone):
            assert secret not in content

    def test_who_manages_people_sees_them(self, order: Order, administrator: Any) -> None:
        assert order.customer.phone in read(administrator, order)

    @pytest.mark.parametrize("who", ["stranger", "owner", "catalogue_manager"])
    def test_nobody_else_sees_the_page(self, order: Order, request: pytest.FixtureRequest, who: str) -> None:
        client = Client()
        client.force_login(request.getfixturevalue(who))

        answer = client.get(page_of(order))

        assert answer.status_code == (403 if who == "catalogue_manager" else 302)
        assert order.number not in answer.content.decode()

    def test_what_people_typed_is_escaped(self, reference_data: None, support: Any) -> None:
        buyer = make_user(name="<script>alert(1)</script>")
        address = make_address(buyer, line1="<b>12</b> MG Road")
        order = make_order(buyer, address=address, note="<i>fragile</i>")

        content = read(support, order)

        for typed in ("<script>alert(1)", "<b>12</b>", "<i>fragile</i>"):
            assert typed not in content


class TestCustomerPage:
    def test_shows_orders_addresses_and_messages(self, order: Order, support: Any) -> None:
        other = make_order(make_user())
        make_notification(order.customer)

        content = read(support, order.customer)

        assert page_of(order) in content
        assert page_of(other) not in content
        assert rupees(order.total_amount) in content
        assert "12 MG Road, Bengaluru, 560001" in content
        assert "Messages" in content

    def test_support_sees_nothing_of_access_on_it(self, owner: Any, finance: Any, support: Any) -> None:
        content = read(support, owner)

        assert "Superuser" not in content
        assert "Session version" not in content
        assert "Superuser" in read(support, finance)

    def test_a_customer_without_anything_has_empty_panels(self, reference_data: None, support: Any) -> None:
        assert "Nothing yet: Orders, Addresses, Messages." in read(support, make_user())

    def test_the_panels_ask_for_no_more_with_fifty_orders(self, order: Order, support: Any, count_queries: Any) -> None:
        read(support, order.customer)
        with count_queries() as for_one:
            read(support, order.customer)
        for _ in range(5):
            make_order(order.customer)

        with count_queries() as for_six:
            read(support, order.customer)

        assert len(for_six) == len(for_one)

    def test_finance_sees_orders_and_no_messages(self, order: Order) -> None:
        content = read(make_staff("finance"), order.customer)

        assert page_of(order) in content
        assert "Messages" not in content
