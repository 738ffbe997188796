"""Refunds that staff request on the order's page: shown first, decided by role and limit, and made once."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core.models import Event
from apps.core.money import rupees
from apps.ledger.models import LedgerTransaction
from apps.orders.models import Order
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services.refunds import amounts, previews
from tests.factories.accounts import make_staff
from tests.factories.catalog import make_variant
from tests.factories.notifications import make_invoice_of
from tests.factories.orders import make_order
from tests.factories.payments import make_dispute, make_refund, pay
from tests.support.admin_clients import signed_in
from tests.support.refund_form import REASON, address, hidden, preview

pytestmark = pytest.mark.django_db

ROLES = ("support", "finance", "catalogue_manager", "admin")


def page_of(order: Order) -> str:
    return reverse("admin:orders_order_change", args=[order.pk])


def confirm(client: Client, order: Order, **typed: Any) -> Any:
    """Fill the form, look at what it says, confirm it, and return the page that follows."""
    shown = hidden(preview(client, order, **typed))
    assert shown["confirmed"] == "yes"
    return client.post(address(order), shown, follow=True)


def state() -> tuple[Any, ...]:
    """Return everything that a refusal must leave as it was."""
    return (
        sorted(Refund.objects.values_list("number", "status", "version")),
        sorted(Order.objects.values_list("number", "status", "version")),
        LedgerTransaction.objects.count(),
        Event.objects.count(),
    )


@pytest.fixture
def paid(order: Order) -> Order:
    pay(order)
    return order


@pytest.fixture
def two_lines(shop: Any, owner: Any) -> Order:
    """A paid order: three units of ₹118.00 and one of ₹236.00, ₹590.00 in all."""
    shirts, shoes = make_variant(price=11_800), make_variant(price=23_600)
    order = make_order(owner, [(shirts, 3), (shoes, 1)])
    pay(order)
    assert order.total_amount == 59_000
    return order


class TestWhoMayRequest:
    @pytest.mark.parametrize("role", [*ROLES, "stranger", "owner", "anonymous"])
    def test_only_staff_who_may_request_refunds_can_do_it(
        self, paid: Order, stranger: Any, owner: Any, role: str
    ) -> None:
        users = {"stranger": stranger, "owner": owner}
        client = Client() if role == "anonymous" else signed_in(users.get(role) or make_staff(role))
        before = state()

        looked = client.get(address(paid))
        shown = client.post(address(paid), {"what": "all", **REASON})
        assert state() == before, "looking changes nothing"
        fields = hidden(shown.content.decode()) if shown.status_code == 200 else {"what": "all", **REASON}
        answer = client.post(address(paid), fields)

        if role in ("support", "finance", "admin"):
            assert (looked.status_code, shown.status_code, answer.status_code) == (200, 200, 302)
            assert answer.headers["Location"] == page_of(paid)
            expected = "requires_approval" if role == "support" else "pending"
            assert list(Refund.objects.values_list("status", "amount")) == [(expected, paid.total_amount)]
        else:
            expected_code = 403 if role == "catalogue_manager" else 302
            assert (looked.status_code, shown.status_code, answer.status_code) == (expected_code,) * 3
            assert state() == before

    @pytest.mark.parametrize("role", ["support", "finance", "admin"])
    def test_the_page_of_a_paid_order_offers_it(self, paid: Order, role: str) -> None:
        assert address(paid) in signed_in(make_staff(role)).get(page_of(paid)).content.decode()

    def test_an_unpaid_order_does_not(self, order: Order, finance: Any) -> None:
        client = signed_in(finance)

        assert address(order) not in client.get(page_of(order)).content.decode()
        assert client.get(address(order)).headers["Location"] == page_of(order)

    def test_support_sees_that_another_person_must_approve(self, paid: Order, support: Any) -> None:
        client = signed_in(support)

        for content in (client.get(address(paid)).content.decode(), preview(client, paid, what="all")):
            assert "Another person must approve the refund first." in content
        answer = confirm(client, paid, what="all")

        assert "waits until another person approves it" in answer.content.decode()
        refund = Refund.objects.get()
        assert (refund.status, refund.requested_by) == ("requires_approval", f"user:{support.public_id}")

    def test_above_the_limit_finance_sees_it_and_the_refund_requires_approval(
        self, paid: Order, finance: Any, settings: Any
    ) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 10_000
        client = signed_in(finance)

        assert "You may refund up to ₹100.00 of this order alone." in client.get(address(paid)).content.decode()
        content = preview(client, paid, what="amount", amount="100.01")
        assert "above the ₹100.00 that one person may approve" in content
        assert "Request the refund of ₹100.01" in content
        confirm(client, paid, what="amount", amount="100.01")
        assert Refund.objects.get().status == "requires_approval"

    def test_at_the_limit_finance_decides_alone(self, paid: Order, finance: Any, settings: Any) -> None:
        settings.REFUND_APPROVAL_THRESHOLD_PAISE = 10_000

        confirm(signed_in(finance), paid, what="amount", amount="100")

        assert Refund.objects.get().status == "pending"


class TestWhatIsRefunded:
    def test_units_of_a_line_come_to_what_they_are_worth(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        line = two_lines.lines.get(position=1)

        content = preview(client, two_lines, what="lines", units_1="2")
        assert f"2 of {line.name}, worth ₹236.00." in content
        assert "₹354.00 can still be refunded afterwards." in content
        assert "Refund ₹236.00" in content
        answer = confirm(client, two_lines, what="lines", units_1="2")

        refund = Refund.objects.get()
        assert f"Refund {refund.number} of ₹236.00 is on its way to the buyer." in answer.content.decode()
        assert (refund.amount, refund.reason, refund.note) == (23_600, "goods_returned", "Too small")
        assert list(refund.lines.values_list("order_line_id", "quantity_milli", "amount")) == [(line.pk, 2_000, 23_600)]

    def test_staff_may_enter_another_amount_for_units(self, two_lines: Order, finance: Any) -> None:
        confirm(signed_in(finance), two_lines, what="lines", units_1="1", amount="₹100.50")

        refund = Refund.objects.get()
        assert (refund.amount, refund.lines.get().quantity) == (10_050, 1)

    def test_the_preview_says_which_items_an_amount_is_taken_from(self, two_lines: Order, finance: Any) -> None:
        shirts, shoes = two_lines.lines.order_by("position")

        by_units = preview(signed_in(finance), two_lines, what="lines", units_1="1", amount="500")
        by_amount = preview(signed_in(finance), two_lines, what="amount", amount="59")

        later = "reduces what its other units are worth in later refunds."
        assert f"₹354.00 of {shirts.name}<br>₹146.00 of {shoes.name}" in by_units
        assert later in by_units
        assert f"₹35.40 of {shirts.name}<br>₹23.60 of {shoes.name}" in by_amount
        assert later in by_amount

    def test_units_at_their_worth_lower_no_other_ones(self, two_lines: Order, finance: Any) -> None:
        content = preview(signed_in(finance), two_lines, what="lines", units_1="1")

        assert f"₹118.00 of {two_lines.lines.get(position=1).name}" in content
        assert "lowers what its other units are worth" not in content

    def test_what_is_shown_is_what_the_refund_takes(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        shirts, shoes = two_lines.lines.order_by("position")

        confirm(client, two_lines, what="lines", units_1="1", amount="500")

        assert Refund.objects.get().line_amounts == {str(shirts.pk): 35_400, str(shoes.pk): 14_600}

    def test_a_unit_that_lost_worth_says_why(self, two_lines: Order, finance: Any) -> None:
        make_refund(two_lines, amount=5_900, is_approved=True)

        content = signed_in(finance).get(address(two_lines)).content.decode()

        assert (
            "3 can be refunded; one was sold for ₹118.00 and is worth ₹106.20, because refunds of this order have already taken ₹35.40"
            " of this item."
        ) in content
        assert "one was sold for ₹236.00 and is worth ₹212.40" in content

    @pytest.mark.parametrize(("role", "is_shown"), [("support", True), ("finance", False), ("admin", True)])
    def test_cancelling_is_named_to_those_alone_who_may(self, paid: Order, role: str, is_shown: bool) -> None:
        content = signed_in(make_staff(role)).get(address(paid)).content.decode()

        assert ("Cancel the order instead" in content) is is_shown

    def test_the_pages_name_order_and_buyer(self, paid: Order, finance: Any) -> None:
        client = signed_in(finance)

        for content in (client.get(address(paid)).content.decode(), preview(client, paid, what="all")):
            named = re.search(r"data-object>([^<]*)<", content)
            assert named is not None
            assert named[1] == f"{paid.number} · {paid.customer.name}"

    def test_all_is_all_that_is_left(self, two_lines: Order, finance: Any) -> None:
        make_refund(two_lines, amount=9_000, is_approved=True)
        client = signed_in(finance)

        first = client.get(address(two_lines)).content.decode()
        assert "₹500.00 of ₹590.00 paid." in first
        assert "₹90.00." in first
        confirm(client, two_lines, what="all")

        assert sorted(Refund.objects.values_list("amount", flat=True)) == [9_000, 50_000]

    def test_lines_that_are_refunded_are_not_offered(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        confirm(client, two_lines, what="lines", units_2="1")

        content = client.get(address(two_lines)).content.decode()

        assert 'name="units_1"' in content
        assert 'name="units_2"' not in content

    def test_the_forecast_says_what_becomes_of_documents_buyer_and_order(self, two_lines: Order, finance: Any) -> None:
        content = preview(signed_in(finance), two_lines, what="all")

        assert "UPI, ga***@upi" in content
        assert "You may decide this alone" in content
        assert "Goods were returned. Too small" in content
        assert "Nothing is left to refund afterwards." in content
        assert (
            "The buyer is notified by SMS and in-app message when the refund is on its way, and again when it has been paid."
            in content
        )

    def test_it_names_the_invoice_that_the_credit_note_is_for(self, two_lines: Order, finance: Any) -> None:
        invoice = make_invoice_of(two_lines)

        for content in (
            signed_in(finance).get(address(two_lines)).content.decode(),
            preview(signed_in(finance), two_lines, what="lines", units_1="1"),
        ):
            assert (
                f"Tax invoice {invoice.number} of {rupees(invoice.total_amount)} stays as it is. A credit note of the refunded"
                " amount is issued once the refund is paid." in content
            )


class TestRefusals:
    @pytest.mark.parametrize(
        ("typed", "said"),
        [
            ({"what": "amount", "amount": "590.01"}, "₹590.00 of order {number} can be refunded; you entered ₹590.01."),
            ({"what": "amount", "amount": "0.99"}, "A refund must be at least ₹1.00."),
            ({"what": "amount", "amount": "589.50"}, "Refund at most ₹589.00, or all ₹590.00."),
            ({"what": "amount", "amount": ""}, "Enter the amount to refund."),
            (
                {"what": "amount", "amount": "five"},
                "Enter an amount in rupees with at most two decimals, such as 599.00.",
            ),
            (
                {"what": "amount", "amount": "1.234"},
                "Enter an amount in rupees with at most two decimals, such as 599.00.",
            ),
            (
                {"what": "amount", "amount": "-5"},
                "Enter an amount in rupees with at most two decimals, such as 599.00.",
            ),
            ({"what": "lines"}, "Enter the units of each item to refund."),
            ({"what": "lines", "units_1": "4"}, "less than or equal to 3"),
            ({"what": "all", "units_1": "1"}, "You entered units of items."),
            ({"what": "all", "amount": "5"}, "You entered an amount."),
            ({}, "This field is required."),
            ({"what": "all", "reason": ""}, "This field is required."),
            ({"what": "all", "reason": "paid_twice"}, "Select a valid choice."),
        ],
    )
    def test_what_cannot_be_refunded_is_said_on_the_page_and_changes_nothing(
        self, two_lines: Order, finance: Any, typed: dict[str, str], said: str
    ) -> None:
        before = state()

        content = preview(signed_in(finance), two_lines, **typed)

        assert said.format(number=two_lines.number) in content
        assert 'name="confirmed"' not in content
        assert state() == before

    def test_what_was_typed_is_still_there(self, two_lines: Order, finance: Any) -> None:
        content = preview(signed_in(finance), two_lines, what="amount", amount="590.01")

        assert 'value="590.01"' in content
        assert "Too small" in content

    def test_the_preview_leads_back_to_the_form(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="lines", units_1="2"))
        before = state()

        content = client.post(address(two_lines), {**shown, "edit": "yes"}).content.decode()

        assert re.search(r'name="units_1" value="2"', content)
        assert 'name="confirmed"' not in content
        assert state() == before

    def test_money_that_changed_meanwhile_is_looked_at_again(
        self, two_lines: Order, finance: Any, administrator: Any
    ) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="amount", amount="200"))
        confirm(signed_in(administrator), two_lines, what="amount", amount="200")
        before = state()

        content = client.post(address(two_lines), shown).content.decode()

        assert f"The money of order {two_lines.number} has changed since you opened this page" in content
        assert "₹390.00 of ₹590.00 paid." in content
        assert state() == before

    @pytest.mark.parametrize("missing", ["seen_amount", "seen_refundable"])
    def test_a_confirmation_of_what_was_not_shown_changes_nothing(
        self, two_lines: Order, finance: Any, missing: str
    ) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="all"))
        del shown[missing]
        before = state()

        client.post(address(two_lines), shown)

        assert state() == before

    def test_another_amount_than_was_shown_changes_nothing(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="amount", amount="100"))
        before = state()

        content = client.post(address(two_lines), {**shown, "amount": "500"}).content.decode()

        assert "has changed since you opened this page" in content
        assert state() == before

    def test_money_that_a_bank_disputes_is_not_refunded(self, paid: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, paid, what="all"))
        make_dispute(PaymentAttempt.objects.get(payment__order=paid))
        before = state()

        answer = client.post(address(paid), shown, follow=True)

        assert "“Refund” is no longer possible." in answer.content.decode()
        assert state() == before


class TestSubmittingTwice:
    def test_the_same_page_makes_one_refund_and_both_answers_say_so(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="amount", amount="100"))

        first = client.post(address(two_lines), shown, follow=True).content.decode()
        after = state()
        second = client.post(address(two_lines), shown, follow=True).content.decode()

        number = Refund.objects.get().number
        for content in (first, second):
            assert f"Refund {number} of ₹100.00 is on its way to the buyer." in content
        assert "This page was submitted twice; it took effect once." not in first
        assert "This page was submitted twice; it took effect once." in second
        assert state() == after

    def test_so_does_a_refund_of_everything_which_cannot_be_offered_again(self, paid: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, paid, what="all"))
        client.post(address(paid), shown)
        after = state()

        second = client.post(address(paid), shown, follow=True).content.decode()

        assert "it took effect once" in second
        assert "is no longer possible" not in second
        assert state() == after

    def test_the_same_page_with_other_values_does_nothing(self, two_lines: Order, finance: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="amount", amount="100"))
        client.post(address(two_lines), shown)
        after = state()

        second = client.post(address(two_lines), {**shown, "amount": "200"}, follow=True).content.decode()

        assert "This page was already submitted with other values, so nothing was changed this time." in second
        assert state() == after

    def test_a_refused_page_may_be_submitted_again(self, two_lines: Order, finance: Any, monkeypatch: Any) -> None:
        client = signed_in(finance)
        shown = hidden(preview(client, two_lines, what="amount", amount="100"))
        with monkeypatch.context() as patched:

            def refuse(**_: Any) -> Any:
                raise amounts.RefundTooSmall

            patched.setattr(previews, "request_previewed_refund", refuse)
            client.post(address(two_lines), shown)
        assert Refund.objects.count() == 0

        client.post(address(two_lines), shown)

        assert Refund.objects.get().amount == 10_000

    @pytest.mark.parametrize("key", ["", "x", "0" * 36 + "0", "1; DROP TABLE"])
    def test_a_key_that_is_none_shows_the_preview_again(self, two_lines: Order, finance: Any, key: str) -> None:
        client = signed_in(finance)
        shown = {**hidden(preview(client, two_lines, what="amount", amount="100")), "request_key": key}
        before = state()

        answer = client.post(address(two_lines), shown)

        assert (answer.status_code, state()) == (200, before)
