import json
import os
import re
import subprocess
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from apps.core.money import rupees
from apps.invoicing import rules
from apps.invoicing.documents import invoice_data, render_invoice_pdf
from tests.factories.invoicing import Goods, make_invoice, make_snapshot
from tests.support.documents import SELLER, build_invoice, build_line
from tests.support.pdf_text import attachments_of, pages_of


def unspaced(text: str) -> str:
    """Return a text without the places where a line was or may be broken."""
    return re.sub(r"[\s\u200b]+", "", text)


class TestInvoicePdf:
    def test_has_what_rule_46_requires(self) -> None:
        [page] = pages_of(render_invoice_pdf(build_invoice(), [build_line()]))
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
        [page] = pages_of(render_invoice_pdf(build_invoice(buyer=buyer), [build_line()]))
        assert "Acme Retail Private Limited Asha Owner" in page
        assert "GSTIN: 29ABCPE1234F1Z7" in page

    def test_shows_the_heads_that_are_charged_and_no_other(self) -> None:
        within = {"igst_amount": 0, "cgst_amount": 8_991, "sgst_amount": 8_991}
        [page] = pages_of(render_invoice_pdf(build_invoice(place_of_supply="27", **within), [build_line(**within)]))
        assert "CGST" in page
        assert "SGST" in page
        assert "9%" in page
        assert "IGST" not in page
        assert "UTGST" not in page

    def test_shows_utgst_in_a_union_territory(self) -> None:
        within = {"igst_amount": 0, "cgst_amount": 8_991, "utgst_amount": 8_991}
        seller = {**SELLER, "state": "04"}
        [page] = pages_of(
            render_invoice_pdf(build_invoice(seller=seller, place_of_supply="04", **within), [build_line(**within)])
        )
        assert "UTGST" in page
        assert "SGST" not in page

    @pytest.mark.parametrize(
        ("seller", "place", "heads"),
        [
            ("27", "29", ["IGST"]),
            ("27", "27", ["CGST", "SGST"]),
            ("04", "04", ["CGST", "UTGST"]),
            ("04", "27", ["IGST"]),
        ],
    )
    def test_shows_nought_under_the_right_head_for_exempt_goods(
        self, seller: str, place: str, heads: list[str]
    ) -> None:
        exempt = {
            "igst_amount": 0,
            "round_off_amount": 0,
            "total_amount": 99_900,
            "seller": {**SELLER, "state": seller},
        }
        line = build_line(tax_rate=0, igst_amount=0, total_amount=99_900)
        [page] = pages_of(render_invoice_pdf(build_invoice(place_of_supply=place, **exempt), [line]))
        shown = page.replace("CGST Rules", "")
        assert [head for head in ("CGST", "SGST", "UTGST", "IGST") if head in shown] == heads

    def test_shows_discount_and_delivery_only_where_there_are_some(self) -> None:
        [without] = pages_of(render_invoice_pdf(build_invoice(), [build_line()]))
        [with_both] = pages_of(
            render_invoice_pdf(build_invoice(), [build_line(discount_amount=1_234, shipping_amount=5_678)])
        )
        assert "Discount" not in without
        assert "Delivery charge" not in without
        assert "Discount Delivery charge" in with_both
        assert "12.34" in with_both
        assert "56.78" in with_both

    def test_says_what_a_price_with_tax_was(self) -> None:
        line = build_line(unit_price=49_900, price_includes_tax=True, gross_amount=84_576, quantity_milli=2_000)
        [page] = pages_of(render_invoice_pdf(build_invoice(), [line]))
        assert "422.88" in page
        assert "499.00 with tax" in page

    def test_reverse_charge_is_said(self) -> None:
        [page] = pages_of(render_invoice_pdf(build_invoice(is_reverse_charge=True), [build_line()]))
        assert "Reverse charge Yes" in page


class TestLongInvoices:
    def test_repeat_their_heading_and_count_their_pages(self) -> None:
        lines = [build_line(position) for position in range(1, 101)]
        pages = pages_of(render_invoice_pdf(build_invoice(), lines))

        assert len(pages) >= 4
        for number, page in enumerate(pages, start=1):
            assert f"Page {number} of {len(pages)}" in page
            assert "no signature is needed" in page
        for page in pages[1:]:
            assert "Tax invoice INV260000123 of 21 Nov 2026" in page
        assert sum("Description" in page for page in pages) == sum("SKU KUR-" in page for page in pages)
        assert [int(found) for page in pages for found in re.findall(r"SKU KUR-(\d+)", page)] == list(range(1, 101))

    def test_wrap_a_name_without_a_blank(self) -> None:
        [page] = pages_of(render_invoice_pdf(build_invoice(), [build_line(name="x" * 300)]))
        assert page.replace(" ", "").count("x") >= 300

    def test_keep_the_summary_of_many_codes(self) -> None:
        lines = [build_line(position, hsn=f"{6100 + position:04d}1000") for position in range(1, 61)]
        pages = pages_of(render_invoice_pdf(build_invoice(), lines))
        assert sum(page.count("61601000") for page in pages) == 2

    @pytest.mark.parametrize("paise", [1, 99_999_999_999, 9_99_99_99_99_999_99])
    def test_keep_figures_of_any_size_whole(self, paise: int) -> None:
        line = build_line(quantity_milli=1_000, gross_amount=paise, taxable_amount=paise, total_amount=paise)
        [page] = pages_of(render_invoice_pdf(build_invoice(taxable_amount=paise, total_amount=paise), [line]))
        assert page.count(rules.grouped(paise)) >= 5


class TestPdfFile:
    def test_is_the_same_bytes_for_the_same_rows(self) -> None:
        assert render_invoice_pdf(build_invoice(), [build_line()]) == render_invoice_pdf(
            build_invoice(), [build_line()]
        )

    def test_is_the_same_bytes_in_another_process(self) -> None:
        program = (
            "import django, hashlib; django.setup();"
            "from tests.invoicing.test_documents import *;"
            "print(hashlib.sha256(render_invoice_pdf(build_invoice(), [build_line()])).hexdigest())"
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
        assert render_invoice_pdf(build_invoice(), [build_line()]) != render_invoice_pdf(
            build_invoice(payment_reference=""), [build_line()]
        )

    def test_has_title_author_date_and_embedded_letters(self) -> None:
        reader = PdfReader(BytesIO(render_invoice_pdf(build_invoice(), [build_line()])))
        metadata = reader.metadata
        assert metadata is not None
        assert (metadata.title, metadata.author) == ("Tax invoice INV260000123", "Bahi Demo Store")
        assert {str(metadata["/CreationDate"]), str(metadata["/ModDate"])} == {"D:20261121000000Z"}
        fonts = [font.get_object() for font in reader.pages[0]["/Resources"]["/Font"].values()]  # type: ignore[index]
        assert any("SourceSansPro" in str(font["/BaseFont"]) for font in fonts)
        for font in fonts:
            described = font["/DescendantFonts"][0].get_object()["/FontDescriptor"]
            assert {"/FontFile2", "/FontFile3"} & set(described)

    def test_says_that_it_is_pdf_a_3b(self) -> None:
        reader = PdfReader(BytesIO(render_invoice_pdf(build_invoice(), [build_line()])))
        described = reader.trailer["/Root"]["/Metadata"].get_object().get_data().decode()  # type: ignore[index]
        assert "<pdfaid:part>3</pdfaid:part>" in described
        assert "<pdfaid:conformance>B</pdfaid:conformance>" in described

    def test_holds_the_data_for_programs(self) -> None:
        attached = attachments_of(render_invoice_pdf(build_invoice(), [build_line()]))
        assert list(attached) == ["document.json"]
        data = json.loads(attached["document.json"])
        assert data == json.loads(json.dumps(invoice_data(build_invoice(), [build_line()])))
        assert (data["number"], data["date"], data["total_amount"]) == ("INV260000123", "2026-11-21", 117_900)
        assert [(line["name"], line["igst_amount"], line["tax_rate"]) for line in data["lines"]] == [
            ("Handloom kurta", 17_982, 1800)
        ]
        assert data["hsn_summary"][0]["tax_amount"] == 17_982

    def test_holds_no_code_that_is_neither_a_payment_nor_an_irn(self) -> None:
        page = PdfReader(BytesIO(render_invoice_pdf(build_invoice(), [build_line()]))).pages[0]
        assert "/XObject" not in page["/Resources"]  # type: ignore[operator]
        # A code drawn as squares would be hundreds of shapes; the page has its rules, rows and fields of colour alone.
        assert page.get_contents().get_data().count(b" l\n") < 60  # type: ignore[union-attr]


NAMES = {
    "Devanagari": "महात्मा गांधी मार्ग",
    "Tamil": "தமிழ்நாடு கைத்தறி பருத்தி குர்தா",
    "Telugu": "ఆంధ్రప్రదేశ్ కృష్ణ చేనేత కుర్తా",
    "Kannada": "ಕರ್ನಾಟಕ ಕೈಮಗ್ಗ ಕುರ್ತಾ",
    "Malayalam": "കേരളം കൈത്തറി കുർത്ത",
    "Bengali": "পশ্চিমবঙ্গ তাঁতের কুর্তা",
    "Gujarati": "ગુજરાત કુમાર હાથવણાટ કુર્તા",
    "Gurmukhi": "ਪੰਜਾਬ ਹੱਥਖੱਡੀ ਕੁੜਤਾ",
    "Odia": "ଓଡ଼ିଶା ହସ୍ତତନ୍ତ କୁର୍ତ୍ତା",
    "Latin": "Šarmā & Söns, café ₹ No. 5",
}


class TestIndianScripts:
    @pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
    def test_are_in_the_text_letter_by_letter(self, name: str) -> None:
        party = make_snapshot("29", name=name, company=name, line1=name, line2=name, city=name)
        invoice = build_invoice(buyer=party, shipping_address=party, seller={**SELLER, "trade_name": name})
        [page] = pages_of(render_invoice_pdf(invoice, [build_line(name=name)]))
        assert unspaced(page).count(unspaced(name)) == 1 + 5 + 5 + 1  # seller, two parties, line

    def test_stand_next_to_each_other(self) -> None:
        lines = [build_line(position, name=name) for position, name in enumerate(NAMES.values(), start=1)]
        [page] = pages_of(render_invoice_pdf(build_invoice(), lines))
        for name in NAMES.values():
            assert f"{name} SKU" in page


HOSTILE = {
    "typst": '#panic("x") #read("/etc/passwd") #import "x" *b* _i_ $x^2$ \\ @ref <label> ] } ) // c /* = H `r` ~',
    "html": 'Kurta <b>bold</b> & <img src="file:///etc/passwd"/> </para>',
    "quotes": "\"'\\n${7*7}{{7*7}}%s%n",
}


class TestHostileNames:
    @pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
    def test_are_shown_and_never_run(self, name: str) -> None:
        party = make_snapshot("29", name=name, company=name, line1=name)
        [page] = pages_of(
            render_invoice_pdf(build_invoice(buyer=party, reason=name), [build_line(name=name, sku=name)])
        )
        assert unspaced(page).count(unspaced(name)) == 6

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("Z" + "".join(chr(0x300 + i % 0x70) for i in range(200)) + "algo", "Z\u0300\u0301algo"),
            ("Shop 😀👨‍👩‍👧 open", "Shop ■ open"),
            ("abc\u202egnp.exe\u202c", "abcgnp.exe"),
            ("عربى shop", "■ shop"),
            ("a\x00b\x07c\td", "a b c d"),
            ("x\ud800y", "x■y"),
            ("ＡＢＣ ⅷ", "ABC viii"),
            ("A\u093f", "A"),
        ],
        ids=["zalgo", "emoji", "rtl-override", "arabic", "control", "surrogate", "wide", "foreign-sign"],
    )
    def test_lose_what_cannot_be_shown_and_never_the_invoice(self, name: str, shown: str) -> None:
        [page] = pages_of(render_invoice_pdf(build_invoice(), [build_line(name=name)]))
        assert f"1 {shown} SKU KUR-1" in page

    @pytest.mark.parametrize(
        ("part", "times"), [("x", 3_500), ("महात्मा", 500), ("word ", 700)], ids=["latin", "hindi", "words"]
    )
    def test_of_3500_letters_take_the_pages_that_they_need(self, part: str, times: int) -> None:
        party = make_snapshot("29", name=part * times, company=part * times, line1=part * times)
        pages = pages_of(render_invoice_pdf(build_invoice(buyer=party), [build_line(name=part * times)]))
        assert unspaced("".join(pages)).count(part.strip()) >= 4 * times
        assert "Rupees One Thousand" in " ".join(pages)


class TestSellerSettings:
    BANK = {
        "account_name": "Bahi Demo Traders LLP", "account_number": "000012345678", "ifsc": "SBIN0000454",
        "bank": "State Bank of India", "branch": "Laxmi Road",
    }  # fmt: skip

    def test_bank_details_and_terms_are_shown(self, settings: Any) -> None:
        [without] = pages_of(render_invoice_pdf(build_invoice(), [build_line()]))
        settings.SELLER_BANK_DETAILS, settings.SELLER_TERMS = self.BANK, ["Exchange within 7 days.", "Courts of Pune."]
        [page] = pages_of(render_invoice_pdf(build_invoice(), [build_line()]))

        assert "BANK DETAILS" not in without
        assert "TERMS" not in without
        assert (
            "BANK DETAILS Bahi Demo Traders LLP State Bank of India, Laxmi Road Account no. 000012345678 · IFSC SBIN0000454"
            in page
        )
        assert "TERMS Exchange within 7 days. Courts of Pune." in page

    def test_logo_is_shown(self, settings: Any, tmp_path: Path) -> None:
        settings.SELLER_LOGO_PATH = tmp_path / "logo.svg"
        settings.SELLER_LOGO_PATH.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="40" height="20" fill="#070"/></svg>'
        )
        with_logo, again = (render_invoice_pdf(build_invoice(), [build_line()]) for _ in range(2))
        settings.SELLER_LOGO_PATH = None
        without = render_invoice_pdf(build_invoice(), [build_line()])

        assert with_logo == again
        assert with_logo != without
        assert b"/Alt" in with_logo

    @pytest.mark.parametrize("content", [b"\x89PNG broken", None], ids=["broken", "gone"])
    def test_a_logo_that_cannot_be_set_costs_the_logo_alone(
        self, settings: Any, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
    ) -> None:
        plain = render_invoice_pdf(build_invoice(), [build_line()])
        settings.SELLER_LOGO_PATH = tmp_path / "logo.png"
        if content is not None:
            settings.SELLER_LOGO_PATH.write_bytes(content)

        assert render_invoice_pdf(build_invoice(), [build_line()]) == plain
        assert "document_rendered_with_less" in caplog.text


class TestKindsOfDocument:
    @pytest.mark.parametrize(
        ("kind", "title", "rule", "shows_tax"),
        [
            ("tax_invoice", "TAX INVOICE", "rule 46, CGST Rules", True),
            ("bill_of_supply", "BILL OF SUPPLY", "rule 49, CGST Rules", False),
        ],
    )
    def test_have_their_title_rule_and_columns(self, kind: str, title: str, rule: str, shows_tax: bool) -> None:
        [page] = pages_of(render_invoice_pdf(build_invoice(type=kind), [build_line()]))
        assert title in page
        assert rule in page
        assert ("IGST" in page) == shows_tax
        assert ("Tax rate" in page) == shows_tax
        assert "₹1,179.00" in page

    def test_credit_note_names_its_invoice_and_has_no_rate(self) -> None:
        note = build_invoice(
            type="credit_note", number="CRN260000007", refers_to=build_invoice(), reason="Goods returned"
        )
        [page] = pages_of(render_invoice_pdf(note, [build_line(quantity_milli=0)]))
        for words in ("CREDIT NOTE", "Credit note no. CRN260000007", "Original invoice INV260000123 dated 21 Nov 2026",
                      "Reason Goods returned", "rule 53, CGST Rules"):  # fmt: skip
            assert words in page, words
        assert " Rate " not in page


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

    [page] = pages_of(render_invoice_pdf(invoice, lines))

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
