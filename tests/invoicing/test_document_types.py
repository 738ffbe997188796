"""Which documents a sale has by what is sold and to whom, their numbers and postings, and the credit notes of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest
from django.db import connection

from apps.core import audit
from apps.core.events import SYSTEM
from apps.core.models import Event, Outbox
from apps.invoicing import documents, handlers, rules, selectors
from apps.invoicing.models import Invoice, InvoiceLine, NumberSeries
from apps.invoicing.services import issue_credit_notes, issue_invoices
from apps.invoicing.states import DocumentType
from apps.ledger.models import LedgerEntry
from apps.notifications.models import Notification
from apps.notifications.services import create_notifications
from apps.orders.models import OrderLine
from apps.tax.rules import Heads, SupplyType, Taxability
from tests.factories.accounts import make_user
from tests.factories.catalog import make_registration
from tests.factories.invoicing import NOON, Goods, make_invoice, make_paid_order, make_refund
from tests.support.pdf_text import pages_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

KURTA = Goods(price=100_000, rate=1800, name="Kurta", taxability="taxable")
BOOK = Goods(price=25_030, rate=0, name="Book", hsn="49011010", taxability="exempt")
CEREAL = Goods(price=6_000, rate=0, name="Cereal", hsn="100199", taxability="nil")
PETROL = Goods(price=9_900, rate=0, name="Petrol", hsn="271012", taxability="non_gst")
REGISTERED = "29ABCPE1234F1Z7"
EMBASSY = "2917UNO00017UNO"
ALL = ["INV-30", "INV-30b", "INV-31", "INV-32", "INV-32b", "INV-33", "INV-33b", "INV-33c", "INV-33d", "INV-33e", "INV-34", "INV-34b",
       "INV-34c", "INV-35c", "INV-36"]  # fmt: skip


def issue(*goods: Goods, **order: Any) -> list[Invoice]:
    return issue_invoices(order_id=make_paid_order(goods=goods, **order).pk, actor=SYSTEM, now=NOON)


def summarise(invoices: list[Invoice]) -> list[tuple[str, str, int]]:
    return [(invoice.type, invoice.number, invoice.total_amount) for invoice in invoices]


def rows(invariant: str) -> list[dict[str, Any]]:
    [result] = audit.run(now=NOON + timedelta(minutes=5), only=[invariant]).results
    assert not result.error
    return result.rows


@contextmanager
def disable_triggers() -> Iterator[None]:
    """Let the test plant what the database refuses."""
    connection.check_constraints()
    with pgtrigger.ignore("invoicing.Invoice:issued_is_frozen", "invoicing.InvoiceLine:frozen"):
        yield


def violated() -> list[str]:
    return [result.invariant.id for result in audit.run(now=NOON + timedelta(minutes=5), only=ALL).failing]


class TestDocumentsOfASale:
    @pytest.mark.parametrize("goods", [(BOOK,), (CEREAL,), (PETROL,), (BOOK, CEREAL, PETROL)], ids=len)
    @pytest.mark.parametrize("gstin", ["", REGISTERED])
    def test_goods_without_tax_have_a_bill_of_supply(self, goods: tuple[Goods, ...], gstin: str) -> None:
        [bill] = issue(*goods, buyer_gstin=gstin)

        assert (bill.type, bill.number) == ("bill_of_supply", "BOS260000001")
        assert (bill.cgst_amount, bill.sgst_amount, bill.utgst_amount, bill.igst_amount) == (0, 0, 0, 0)
        assert violated() == []

    @pytest.mark.parametrize("gstin", ["", REGISTERED])
    def test_taxable_goods_have_a_tax_invoice(self, gstin: str) -> None:
        [invoice] = issue(KURTA, buyer_gstin=gstin)

        assert summarise([invoice]) == [("tax_invoice", "INV260000001", 118_000)]
        assert violated() == []

    @pytest.mark.parametrize("gstin", ["", EMBASSY])
    def test_unregistered_buyer_of_both_has_one_document(self, gstin: str) -> None:
        [document] = issue(KURTA, BOOK, buyer_gstin=gstin)

        assert summarise([document]) == [("invoice_cum_bill_of_supply", "ICB260000001", 143_000)]
        assert (document.taxable_amount, document.igst_amount, document.round_off_amount) == (125_030, 18_000, -30)
        assert violated() == []

    def test_registered_buyer_of_both_has_two(self) -> None:
        invoice, bill = issue(BOOK, KURTA, CEREAL, buyer_gstin=REGISTERED)

        assert summarise([invoice, bill]) == [
            ("tax_invoice", "INV260000001", 117_970),
            ("bill_of_supply", "BOS260000001", 31_030),
        ]
        assert (invoice.igst_amount, invoice.round_off_amount) == (18_000, -30)
        assert (bill.igst_amount, bill.round_off_amount) == (0, 0)
        assert [(line.position, line.name) for line in bill.lines.order_by("position")] == [(1, "Book"), (2, "Cereal")]
        assert invoice.total_amount + bill.total_amount == 149_000
        assert violated() == []

    def test_both_are_issued_once(self) -> None:
        order = make_paid_order(goods=(KURTA, BOOK), buyer_gstin=REGISTERED)
        first = issue_invoices(order_id=order.pk, actor=SYSTEM, now=NOON)

        second = issue_invoices(order_id=order.pk, actor=SYSTEM, now=NOON)

        assert second == first
        assert Event.objects.filter(type="invoicing.invoice.issued").count() == 2

    def test_both_are_booked_each_for_itself(self) -> None:
        invoice, bill = issue(KURTA, BOOK, buyer_gstin=REGISTERED)

        booked = {
            (entry.transaction.source_id, entry.account_id.split(":")[0]): entry.amount
            for entry in LedgerEntry.objects.filter(transaction__source_type="invoicing.invoice").select_related(
                "transaction"
            )
        }
        assert booked == {
            (invoice.pk, "customer_advances"): 117_970,
            (invoice.pk, "sales"): -100_000,
            (invoice.pk, "output_igst"): -18_000,
            (invoice.pk, "round_off"): 30,
            (bill.pk, "customer_advances"): 25_030,
            (bill.pk, "sales"): -25_030,
        }

    def test_each_kind_has_a_gapless_series_of_its_own(self) -> None:
        for _ in range(2):
            issue(KURTA)
            issue(BOOK)
            issue(KURTA, BOOK)
            issue(KURTA, BOOK, buyer_gstin=REGISTERED)

        series = NumberSeries.objects.order_by("prefix").values_list("prefix", "document_type", "last_number")
        assert list(series) == [
            ("BOS", "bill_of_supply", 4),
            ("ICB", "invoice_cum_bill_of_supply", 2),
            ("INV", "tax_invoice", 4),
        ]
        assert all(len(number) <= 16 for number in Invoice.objects.values_list("number", flat=True))
        assert violated() == []

    def test_line_says_why_it_bears_no_tax(self) -> None:
        [document] = issue(KURTA, BOOK, CEREAL, PETROL)

        kinds = [line.taxability for line in document.lines.order_by("position")]
        assert kinds == ["taxable", "exempt", "nil", "non_gst"]

    def test_order_of_before_taxability_was_kept_has_the_right_document(self) -> None:
        [bill] = issue(Goods(price=10_000, rate=0))

        assert (bill.type, bill.lines.get().taxability) == ("bill_of_supply", "exempt")


class TestCreditNotesOfTwoDocuments:
    @pytest.fixture
    def order(self) -> Any:
        order = make_paid_order(goods=(KURTA, BOOK), buyer_gstin=REGISTERED)
        issue_invoices(order_id=order.pk, actor=SYSTEM, now=NOON)
        return order

    def credit(self, order: Any, **refund: Any) -> list[tuple[str, int, int]]:
        made = make_refund(order, **refund)
        notes = issue_credit_notes(refund_id=made.pk, actor=SYSTEM, now=NOON)
        return [(note.refers_to.type, note.total_amount, note.igst_amount) for note in notes if note.refers_to]

    def test_returned_book_is_credited_on_its_bill_alone(self, order: Any) -> None:
        assert self.credit(order, amount=25_030, lines=[(2, 1)]) == [("bill_of_supply", 25_030, 0)]
        assert violated() == []

    def test_everything_back_takes_all_of_both(self, order: Any) -> None:
        assert self.credit(order, amount=143_000) == [("tax_invoice", 117_970, 18_000), ("bill_of_supply", 25_030, 0)]
        assert [note.number for note in Invoice.objects.filter(type="credit_note").order_by("sequence")] == [
            "CRN260000001", "CRN260000002",
        ]  # fmt: skip
        assert violated() == []

    def test_amount_is_shared_by_what_is_left(self, order: Any) -> None:
        assert self.credit(order, amount=14_300) == [("tax_invoice", 11_797, 1_800), ("bill_of_supply", 2_503, 0)]
        assert violated() == []

    def test_what_the_own_document_cannot_give_comes_from_the_other(self, order: Any) -> None:
        assert self.credit(order, amount=118_000, lines=[(1, 1)]) == [
            ("tax_invoice", 117_970, 18_000),
            ("bill_of_supply", 30, 0),
        ]
        assert violated() == []

    def test_notes_of_several_refunds_add_up_to_both(self, order: Any) -> None:
        for refund in ({"amount": 10_001}, {"amount": 25_030, "lines": [(2, 1)]}, {"amount": 3}, {"amount": 107_966}):
            self.credit(order, **refund)
            assert violated() == []

        credited = sum(Invoice.objects.filter(type="credit_note").values_list("total_amount", flat=True))
        assert credited == 143_000

    def test_called_again_nothing_is_added(self, order: Any) -> None:
        refund = make_refund(order, amount=14_300)
        first = issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=NOON)

        assert issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=NOON) == first
        assert Event.objects.filter(type="invoicing.credit_note.issued").count() == 2

    def test_note_of_a_bill_takes_no_tax_and_keeps_the_taxability(self) -> None:
        [bill] = issue(CEREAL)
        refund = make_refund(bill.order, amount=6_000, lines=[(1, 1)])

        [note] = issue_credit_notes(refund_id=refund.pk, actor=SYSTEM, now=NOON)

        assert (note.number, note.refers_to, note.total_amount) == ("CRN260000001", bill, 6_000)
        assert (note.lines.get().taxability, note.lines.get().igst_amount) == ("nil", 0)
        assert violated() == []


class TestMessages:
    def test_each_document_is_sent_under_its_own_name(self) -> None:
        user = make_user(email="asha@mail.example", name="Asha Rao")
        user.email_confirmed_at = NOON
        user.save()
        invoice, bill = issue(KURTA, BOOK, buyer_gstin=REGISTERED, customer=user)

        for document in (invoice, bill):
            event = Event.objects.get(type="invoicing.invoice.issued", subject_id=document.pk)
            create_notifications(template="invoice_ready", event=event, now=NOON)

        mails = {mail.title: mail.body for mail in Notification.objects.filter(channel="email")}
        assert set(mails) == {
            f"Tax invoice INV260000001 for order {invoice.order_number}",
            f"Bill of supply BOS260000001 for order {invoice.order_number}",
        }
        has_credit = ["input tax credit" in mails[title] for title in sorted(mails)]
        assert has_credit == [False, True]

    def test_confirmed_order_issues_both_by_its_event(self) -> None:
        order = make_paid_order(goods=(KURTA, BOOK), buyer_gstin=REGISTERED)

        handlers.issue_invoices_of_order(event=Event(subject_id=order.pk, root_id=order.pk), now=NOON)

        assert [one.type for one in selectors.list_invoices_of_order(order.pk)] == ["tax_invoice", "bill_of_supply"]
        assert Outbox.objects.filter(event__type="invoicing.invoice.issued").count() == 2


class TestOverHttp:
    def test_buyer_reads_type_taxability_and_heads(self, owner: Any, client_of: Any) -> None:
        _, bill = issue(KURTA, CEREAL, buyer_gstin=REGISTERED, customer=owner)
        client = client_of(owner)

        listed = client.get("/api/v1/invoices", {"order_id": bill.order.public_id}).json()["data"]
        body = client.get(f"/api/v1/invoices/{bill.public_id}").json()

        assert sorted(one["type"] for one in listed) == ["bill_of_supply", "tax_invoice"]
        assert (body["type"], body["tax_heads"], body["lines"][0]["taxability"]) == ("bill_of_supply", ["igst"], "nil")
        assert body["declaration"] == (
            "Bill of supply of goods or services without tax (section 31(3)(c), CGST Act, 2017): no tax is charged."
        )

    def test_stranger_reads_none(self, stranger: Any, client_of: Any) -> None:
        invoice, bill = issue(KURTA, CEREAL, buyer_gstin=REGISTERED)
        client = client_of(stranger)

        for document in (invoice, bill):
            assert client.get(f"/api/v1/invoices/{document.public_id}").status_code == 404
        assert client.get("/api/v1/invoices").json()["data"] == []


class TestWording:
    @pytest.mark.parametrize(
        ("kind", "title", "rule"),
        [
            (DocumentType.TAX_INVOICE, "Tax invoice", "proviso to rule 46,"),
            (DocumentType.BILL_OF_SUPPLY, "Bill of supply", "proviso to rule 49,"),
            (DocumentType.INVOICE_CUM_BILL_OF_SUPPLY, "Invoice-cum-bill of supply", "proviso to rule 46A,"),
            (DocumentType.CREDIT_NOTE, "Credit note", "proviso to rule 53,"),
        ],
    )
    def test_document_names_itself_and_its_rule(self, kind: DocumentType, title: str, rule: str) -> None:
        wording = rules.wording_of(kind, supplier_state="27", place_of_supply="29")

        assert wording.title == title
        assert rule in wording.signature_note
        assert wording.has_tax_columns is (kind != DocumentType.BILL_OF_SUPPLY)

    @pytest.mark.parametrize(
        ("supplier", "place", "heads"),
        [
            ("27", "27", ("cgst", "sgst")),
            ("07", "07", ("cgst", "sgst")),
            ("04", "04", ("cgst", "utgst")),
            ("35", "35", ("cgst", "utgst")),
            ("04", "27", ("igst",)),
        ],
    )
    def test_heads_follow_the_supply(self, supplier: str, place: str, heads: tuple[str, ...]) -> None:
        wording = rules.wording_of(DocumentType.BILL_OF_SUPPLY, supplier_state=supplier, place_of_supply=place)

        assert wording.tax_heads == heads

    def test_nil_goods_in_a_union_territory_show_utgst(self) -> None:
        chandigarh = make_registration(gstin="04ABCPE1234F1ZJ", state="04", city="Chandigarh", pin="160017")
        [bill] = issue(CEREAL, registration=chandigarh, state="04")

        [page] = pages_of(documents.render_invoice_pdf(bill, list(bill.lines.all())))
        assert "BILL OF SUPPLY" in page
        assert "Nil-rated: CGST 0%, UTGST 0%" in page
        assert "SGST" not in page.replace("UTGST", "")

    def test_nil_line_of_a_mixed_sale_in_a_union_territory_shows_utgst(self) -> None:
        chandigarh = make_registration(gstin="04ABCPE1234F1ZJ", state="04", city="Chandigarh", pin="160017")
        [document] = issue(KURTA, CEREAL, BOOK, PETROL, registration=chandigarh, state="04")

        [page] = pages_of(documents.render_invoice_pdf(document, list(document.lines.order_by("position"))))
        for text in (
            "INVOICE-CUM-BILL OF SUPPLY",
            "Nil-rated: CGST 0%, UTGST 0%",
            "Exempt from GST",
            "Outside GST",
            "UTGST",
        ):
            assert text in page, text


class TestSplitByDocument:
    def test_a_gstin_that_is_refused_today_still_counts_as_registered(self) -> None:
        assert rules.is_registered_buyer("29ABCXE1234F1ZR")
        assert not rules.is_registered_buyer("")
        assert not rules.is_registered_buyer(EMBASSY)

    def test_rate_and_taxability_that_do_not_fit_make_no_document(self) -> None:
        line = rules.DraftLine(
            position=1, order_line_id=1, sku="S", name="Kurta", hsn="6109", uqc="NOS", quantity_milli=1_000, unit_price=100,
            price_includes_tax=False, gross_amount=100, discount_amount=0, shipping_amount=0, taxable_amount=100, tax_rate=1800,
            taxability=Taxability.EXEMPT, cgst_amount=0, sgst_amount=0, utgst_amount=0, igst_amount=18, total_amount=118,
        )  # fmt: skip

        assert line.heads == Heads(igst=18)
        assert rules.check_line(line, SupplyType.INTER_STATE) is rules.Refusal.RATE_DOES_NOT_FIT_TAXABILITY


class TestInvariants:
    def test_finds_wrong_type(self) -> None:
        [bill] = issue(BOOK)
        assert rows("INV-32b") == []

        with disable_triggers():
            Invoice.objects.filter(pk=bill.pk).update(type="tax_invoice")

        assert rows("INV-32b") == [
            {"number": bill.number, "type": "tax_invoice", "buyer_gstin": "", "taxable": 0, "untaxed": 1}
        ]

    def test_finds_single_document_of_registered_buyer(self) -> None:
        [document] = issue(KURTA, BOOK)

        with disable_triggers():
            Invoice.objects.filter(pk=document.pk).update(buyer={**document.buyer, "gstin": REGISTERED})

        assert [row["number"] for row in rows("INV-32b")] == [document.number]

    def test_documents_without_taxability_are_not_checked(self) -> None:
        [bill] = issue(BOOK)
        with disable_triggers():
            InvoiceLine.objects.filter(invoice=bill).update(taxability="")

        with disable_triggers():
            Invoice.objects.filter(pk=bill.pk).update(type="tax_invoice")

        assert rows("INV-32b") == []

    @pytest.mark.parametrize("plant", [{"taxability": "taxable"}, {"taxability": "zero"}, {"taxability": "nil"}])
    def test_finds_taxability_that_does_not_match_rate(self, plant: dict[str, str]) -> None:
        [bill] = issue(BOOK)
        assert rows("INV-33d") == []

        with disable_triggers():
            InvoiceLine.objects.filter(invoice=bill).update(**plant)

        assert [row["number"] for row in rows("INV-33d")] == [bill.number]

    def test_finds_line_on_no_document(self) -> None:
        invoice = make_invoice(goods=(KURTA, BOOK))
        assert rows("INV-33e") == []

        with disable_triggers():
            InvoiceLine.objects.filter(invoice=invoice, name="Book").delete()

        assert [(row["position"], row["times"]) for row in rows("INV-33e")] == [(2, 0)]

    def test_finds_line_with_wrong_quantity(self) -> None:
        invoice = make_invoice(goods=(KURTA, BOOK))

        OrderLine.objects.filter(order_id=invoice.order_id, position=1).update(quantity_milli=2_000)

        assert [row["position"] for row in rows("INV-33e")] == [1]

    def test_finds_two_documents_of_unregistered_buyer(self) -> None:
        invoice, _ = issue(KURTA, BOOK, buyer_gstin=REGISTERED)
        order = invoice.order
        assert rows("INV-32") == []

        order.buyer_gstin = ""
        order.save(update_fields=["buyer_gstin"])

        assert [row["number"] for row in rows("INV-32")] == [order.number]
