import os
import re
import subprocess
import sys
from datetime import date
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader
from reportlab.pdfbase import pdfmetrics

from apps.core import paper
from apps.core.money import rupees
from apps.invoicing import rules
from apps.invoicing.documents import draw_invoice, verification_text
from apps.invoicing.models import Invoice, InvoiceLine
from tests.factories.invoicing import Goods, make_invoice, make_snapshot

SELLER = {
    "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "trade_name": "Bahi Demo Store", "line1": "4 Laxmi Road",
    "line2": "", "city": "Pune", "pin": "411030", "state": "27", "state_name": "Maharashtra", "phone": "", "email": "",
}  # fmt: skip


def a_line(position: int = 1, **changed: Any) -> InvoiceLine:
    values = {
        "sku": f"KUR-{position}", "name": "Handloom kurta", "hsn": "61091000", "uqc": "PCS", "quantity": 2, "unit_price": 49_950,
        "price_includes_tax": False, "gross_amount": 99_900, "discount_amount": 0, "shipping_amount": 0, "taxable_amount": 99_900,
        "tax_rate": 1800, "igst_amount": 17_982, "total_amount": 117_882,
    }  # fmt: skip
    return InvoiceLine(position=position, **{**values, **changed})


def an_invoice(**changed: Any) -> Invoice:
    values = {
        "number": "INV260000123", "financial_year": "2026-27", "invoice_date": date(2026, 11, 21), "order_number": "ORD-2627-000123",
        "seller": SELLER, "buyer": make_snapshot("29"), "shipping_address": make_snapshot("29"), "place_of_supply": "29",
        "taxable_amount": 99_900, "igst_amount": 17_982, "round_off_amount": 18, "total_amount": 117_900,
        "payment_reference": "UPI pay_QxT7bZ1mN4kP2s",
    }  # fmt: skip
    return Invoice(**{**values, **changed})


def pages_of(content: bytes) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(BytesIO(content)).pages]


class TestThePage:
    def test_bears_what_rule_46_asks_for(self) -> None:
        [page] = pages_of(draw_invoice(an_invoice(), [a_line()]))
        for particular in (
            "TAX INVOICE", "ORIGINAL FOR RECIPIENT", "Bahi Demo Store", "Bahi Demo Traders LLP", "4 Laxmi Road", "Pune 411030",
            "Maharashtra (27)", "GSTIN: 27AAPFU0939F1ZV", "INV260000123", "21 Nov 2026", "ORD-2627-000123", "Asha Owner",
            "12 MG Road", "Bengaluru 560001", "Karnataka (29)", "GSTIN: not registered", "Reverse charge No",
            "UPI pay_QxT7bZ1mN4kP2s", "Handloom kurta", "SKU KUR-1", "61091000", "PCS", "499.50", "999.00", "179.82", "18%",
            "1,178.82", "+0.18", "₹1,179.00", "Rupees One Thousand One Hundred Seventy-Nine Only", "no signature is needed",
            "Page 1 of 1",
        ):  # fmt: skip
            assert particular in page, particular

    def test_names_a_registered_buyer(self) -> None:
        buyer = make_snapshot("29", company="Acme Retail Private Limited", gstin="29ABCPE1234F1Z7")
        [page] = pages_of(draw_invoice(an_invoice(buyer=buyer), [a_line()]))
        assert "Acme Retail Private Limited Asha Owner" in page
        assert "GSTIN: 29ABCPE1234F1Z7" in page

    def test_shows_the_heads_that_are_charged_and_no_other(self) -> None:
        within = {"igst_amount": 0, "cgst_amount": 8_991, "sgst_amount": 8_991}
        [page] = pages_of(draw_invoice(an_invoice(place_of_supply="27", **within), [a_line(**within)]))
        assert "CGST" in page
        assert "SGST" in page
        assert "9%" in page
        assert "IGST" not in page
        assert "UTGST" not in page

    def test_shows_utgst_in_a_union_territory(self) -> None:
        within = {"igst_amount": 0, "cgst_amount": 8_991, "utgst_amount": 8_991}
        seller = {**SELLER, "state": "04"}
        [page] = pages_of(draw_invoice(an_invoice(seller=seller, place_of_supply="04", **within), [a_line(**within)]))
        assert "UTGST" in page
        assert "SGST" not in page

    @pytest.mark.parametrize(("place", "heads"), [("29", ["IGST"]), ("27", ["CGST", "SGST"])])
    def test_shows_nought_under_the_right_head_for_exempt_goods(self, place: str, heads: list[str]) -> None:
        exempt = {"igst_amount": 0, "round_off_amount": 0, "total_amount": 99_900}
        line = a_line(tax_rate=0, igst_amount=0, total_amount=99_900)
        [page] = pages_of(draw_invoice(an_invoice(place_of_supply=place, **exempt), [line]))
        shown = page.replace("CGST Rules", "")
        assert [head for head in ("CGST", "SGST", "UTGST", "IGST") if head in shown] == heads

    def test_shows_discount_and_delivery_only_where_there_are_some(self) -> None:
        [without] = pages_of(draw_invoice(an_invoice(), [a_line()]))
        [with_both] = pages_of(draw_invoice(an_invoice(), [a_line(discount_amount=1_234, shipping_amount=5_678)]))
        assert "Discount" not in without
        assert "Delivery charge" not in without
        assert "Discount Delivery charge" in with_both
        assert "12.34" in with_both
        assert "56.78" in with_both

    def test_says_what_a_price_with_tax_was(self) -> None:
        line = a_line(unit_price=49_900, price_includes_tax=True, gross_amount=84_576, quantity=2)
        [page] = pages_of(draw_invoice(an_invoice(), [line]))
        assert "422.88" in page
        assert "499.00 with tax" in page

    def test_never_reads_what_people_write_as_markup(self) -> None:
        name = 'Kurta <b>bold</b> & <img src="file:///etc/passwd"/> </para>'
        [page] = pages_of(draw_invoice(an_invoice(), [a_line(name=name)]))
        assert name in page

    def test_reverse_charge_is_said(self) -> None:
        [page] = pages_of(draw_invoice(an_invoice(is_reverse_charge=True), [a_line()]))
        assert "Reverse charge Yes" in page


class TestLongInvoices:
    def test_repeat_their_heading_and_count_their_pages(self) -> None:
        lines = [a_line(position) for position in range(1, 101)]
        pages = pages_of(draw_invoice(an_invoice(), lines))

        assert len(pages) >= 4
        for number, page in enumerate(pages, start=1):
            assert f"Page {number} of {len(pages)}" in page
            assert "no signature is needed" in page
        for page in pages[1:]:
            assert "Tax invoice INV260000123 of 21 Nov 2026" in page
        assert sum("Description" in page for page in pages) == sum("SKU KUR-" in page for page in pages)
        assert [int(found) for page in pages for found in re.findall(r"SKU KUR-(\d+)", page)] == list(range(1, 101))

    def test_wrap_a_name_without_a_blank(self) -> None:
        [page] = pages_of(draw_invoice(an_invoice(), [a_line(name="x" * 300)]))
        assert page.replace(" ", "").count("x") >= 300

    def test_keep_the_summary_of_many_codes(self) -> None:
        lines = [a_line(position, hsn=f"{6100 + position:04d}1000") for position in range(1, 61)]
        pages = pages_of(draw_invoice(an_invoice(), lines))
        assert sum(page.count("61601000") for page in pages) == 2

    @pytest.mark.parametrize("paise", [1, 99_999_999_999, 9_99_99_99_99_999_99])
    def test_keep_figures_of_any_size_whole(self, paise: int) -> None:
        line = a_line(quantity=1, gross_amount=paise, taxable_amount=paise, total_amount=paise)
        [page] = pages_of(draw_invoice(an_invoice(taxable_amount=paise, total_amount=paise), [line]))
        assert page.count(rules.grouped(paise)) >= 5


class TestTheFile:
    def test_is_the_same_bytes_for_the_same_rows(self) -> None:
        assert draw_invoice(an_invoice(), [a_line()]) == draw_invoice(an_invoice(), [a_line()])

    def test_is_the_same_bytes_in_another_process(self) -> None:
        program = (
            "import django, hashlib; django.setup();"
            "from tests.invoicing.test_documents import *;"
            "print(hashlib.sha256(draw_invoice(an_invoice(), [a_line()])).hexdigest())"
        )
        hashes = set()
        for seed in ("1", "2"):
            env = {
                **os.environ,
                "PYTHONHASHSEED": seed,
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                "TZ": f"UTC-{seed}",
            }
            done = subprocess.run(
                [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=True
            )
            hashes.add(done.stdout.split()[-1])
        assert len(hashes) == 1

    def test_differs_where_the_rows_differ(self) -> None:
        assert draw_invoice(an_invoice(), [a_line()]) != draw_invoice(an_invoice(payment_reference=""), [a_line()])

    def test_has_title_author_and_embedded_letters(self) -> None:
        reader = PdfReader(BytesIO(draw_invoice(an_invoice(), [a_line()])))
        assert reader.metadata is not None
        assert (reader.metadata.title, reader.metadata.author) == ("Tax invoice INV260000123", "Bahi Demo Store")
        fonts = reader.pages[0]["/Resources"]["/Font"]  # type: ignore[index]
        names = {str(font.get_object()["/BaseFont"]) for font in fonts.values()}
        assert any("SourceSansPro" in name for name in names)

    def test_has_glyphs_for_rupee_and_latin(self) -> None:
        paper.load_fonts()
        for name in (paper.REGULAR, paper.SEMIBOLD, paper.BOLD):
            glyphs = pdfmetrics.getFont(name).face.charToGlyph
            assert {ord(character) for character in "₹·–éüñĀ0123456789AZaz%&"} <= set(glyphs)


def test_the_code_says_the_particulars_as_plain_text() -> None:
    assert verification_text(an_invoice()) == (
        "Tax invoice\nSupplier GSTIN: 27AAPFU0939F1ZV\nNumber: INV260000123\nDate: 2026-11-21\nTotal: INR 1179.00\n"
        "Order: ORD-2627-000123"
    )
    buyer = make_snapshot("29", gstin="29ABCPE1234F1Z7")
    assert "Recipient GSTIN: 29ABCPE1234F1Z7" in verification_text(an_invoice(buyer=buyer))


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["29", "27"])
def test_the_paper_says_what_the_rows_say(books: None, state: str) -> None:
    goods = (
        Goods(49_950, 1800, 2),
        Goods(8_333, 500, 3, "Basmati rice", "10063020"),
        Goods(140_000, 4000, 1, "Cola", "22021010"),
    )
    invoice = make_invoice(goods=goods, state=state, discount=10_000, shipping=6_000)
    lines = list(invoice.lines.order_by("position"))

    [page] = pages_of(draw_invoice(invoice, lines))

    heads = ("cgst_amount", "sgst_amount") if state == "27" else ("igst_amount",)
    for line in lines:
        assert f"{line.name} SKU {line.sku}" in page
        for field in ("discount_amount", "shipping_amount", "taxable_amount", *heads, "total_amount"):
            assert rules.grouped(getattr(line, field)) in page
    for row in rules.hsn_summary(lines):
        assert row.hsn in page
        assert rules.grouped(row.taxable) in page
        assert rules.grouped(row.tax) in page
    for field in ("taxable_amount", *heads):
        assert rules.grouped(getattr(invoice, field)) in page
    assert rupees(invoice.total_amount) in page
    assert rules.amount_in_words(invoice.total_amount) in page
