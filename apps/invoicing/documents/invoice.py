"""The tax invoice and the credit note on paper, with the particulars of rules 46 and 53(1A) of the CGST Rules."""

from collections.abc import Sequence
from io import BytesIO
from typing import Any

from reportlab.lib.units import mm
from reportlab.platypus import KeepTogether, Paragraph, Spacer, Table

from apps.core import paper
from apps.core.money import half_up
from apps.core.paper import (
    ACCENT,
    BOLD,
    CONTENT,
    HAIRLINE,
    SEMIBOLD,
    SOFT,
    TINT,
    WHITE,
    Column,
    grid,
    style,
    text,
)
from apps.invoicing import rules
from apps.invoicing.models import Invoice, InvoiceLine
from apps.invoicing.states import DocumentType
from apps.tax.rules import state_name

_HEADS = (("cgst_amount", "CGST"), ("sgst_amount", "SGST"), ("utgst_amount", "UTGST"), ("igst_amount", "IGST"))
_NO_SIGNATURE = (
    "Computer-generated {0}, issued electronically under the Information Technology Act, 2000:"
    " no signature is needed (proviso to rule {1}, CGST Rules, 2017)."
)


def draw_invoice(invoice: Invoice, lines: Sequence[InvoiceLine]) -> bytes:
    """Return the PDF of an invoice or a credit note; the same rows always give the same bytes."""
    paper.load_fonts()
    seller = invoice.seller
    name = seller.get("trade_name") or seller["legal_name"]
    title = f"{invoice.get_type_display()} {invoice.number}"
    story = [
        _letterhead(invoice),
        Spacer(0, 5 * mm),
        _parties(invoice),
        Spacer(0, 5 * mm),
        _lines_table(invoice, lines),
        Spacer(0, 4 * mm),
        KeepTogether([_closing(invoice)]),
        Spacer(0, 5 * mm),
        *_hsn_table(invoice, lines),
    ]
    file = BytesIO()
    paper.build(
        file,
        story,
        title=title,
        author=name,
        running=(name, f"{title} of {_date(invoice)}"),
        foot=(
            _no_signature(invoice),
            f"{seller['legal_name']}  ·  GSTIN {seller['gstin']}  ·  {invoice.number}",
        ),
    )
    return file.getvalue()


def verification_text(invoice: Invoice) -> str:
    """Return what the QR code says: the particulars by which anybody can compare the paper with the seller's books."""
    return "\n".join(
        [
            invoice.get_type_display(),
            f"Supplier GSTIN: {invoice.seller['gstin']}",
            *([f"Recipient GSTIN: {invoice.buyer['gstin']}"] if invoice.buyer.get("gstin") else []),
            f"Number: {invoice.number}",
            f"Date: {invoice.invoice_date:%Y-%m-%d}",
            f"Total: INR {invoice.total_amount // 100}.{invoice.total_amount % 100:02d}",
            f"Order: {invoice.order_number}",
            *([f"Against: {invoice.refers_to.number}"] if invoice.refers_to else []),
        ]
    )


def _is_note(invoice: Invoice) -> bool:
    return invoice.type == DocumentType.CREDIT_NOTE


def _no_signature(invoice: Invoice) -> str:
    return _NO_SIGNATURE.format(_kind(invoice), "53" if _is_note(invoice) else "46")


def _kind(invoice: Invoice) -> str:
    return "credit note" if _is_note(invoice) else "invoice"


def _letterhead(invoice: Invoice) -> Table:
    seller = invoice.seller
    trade_name = seller.get("trade_name") or seller["legal_name"]
    left: list[Any] = [text(trade_name, style(17, font=BOLD, colour=ACCENT, leading=1.15)), Spacer(0, 1.2 * mm)]
    if trade_name != seller["legal_name"]:
        left.append(text(seller["legal_name"], style(9, font=SEMIBOLD)))
    left += [text(part, style(8.5)) for part in _address(seller)]
    contacts = [part for part in (seller.get("phone"), seller.get("email")) if part]
    if contacts:
        left.append(text("  ·  ".join(contacts), style(8.5, colour=SOFT)))
    left.append(_labelled("GSTIN:", seller["gstin"], 9))

    right = [
        text(invoice.get_type_display().upper(), style(17, font=BOLD, right=True, leading=1.15)),
        Spacer(0, 1.2 * mm),
        text("ORIGINAL FOR RECIPIENT", style(7.5, font=SEMIBOLD, colour=SOFT, right=True)),
    ]
    return grid(
        [[left, right]],
        [CONTENT * 0.62, CONTENT * 0.38],
        ("LINEBELOW", (0, 0), (-1, 0), 1.2, ACCENT),
        ("BOTTOMPADDING", (0, 0), (-1, 0), 3.5 * mm),
    )


def _parties(invoice: Invoice) -> Table:
    details = [
        ("Credit note no." if _is_note(invoice) else "Invoice no.", invoice.number),
        ("Date" if _is_note(invoice) else "Invoice date", _date(invoice)),
        *(_what_it_corrects(invoice)),
        ("Order no.", invoice.order_number),
        ("Place of supply", _state(invoice.place_of_supply)),
        ("Reverse charge", "Yes" if invoice.is_reverse_charge else "No"),
    ]
    if invoice.payment_reference:
        details.append(("Payment", invoice.payment_reference))
    widths = [CONTENT * 0.31, CONTENT * 0.31, CONTENT * 0.38]
    inner = widths[2] - 6 * mm
    facts = grid(
        [[text(label, style(8.5, colour=SOFT)), text(value, style(8.5, font=SEMIBOLD))] for label, value in details],
        [25 * mm, inner - 25 * mm],
        ("BOTTOMPADDING", (0, 0), (-1, -1), 1.2),
    )
    return grid(
        [
            [
                _party("Billed to", invoice.buyer, with_gstin=True),
                _party("Delivered to", invoice.shipping_address),
                [facts],
            ]
        ],
        widths,
        ("RIGHTPADDING", (0, 0), (1, 0), 4 * mm),
        ("BACKGROUND", (2, 0), (2, 0), TINT),
        ("LEFTPADDING", (2, 0), (2, 0), 3 * mm),
        ("TOPPADDING", (2, 0), (2, 0), 2.4 * mm),
        ("BOTTOMPADDING", (2, 0), (2, 0), 2 * mm),
        ("TOPPADDING", (0, 0), (1, 0), 1 * mm),
    )


def _what_it_corrects(note: Invoice) -> list[tuple[str, str]]:
    if note.refers_to is None:
        return []
    return [
        ("Original invoice", note.refers_to.number),
        ("dated", _date(note.refers_to)),
        *([("Reason", note.reason)] if note.reason else []),
    ]


def _party(heading: str, party: dict[str, Any], *, with_gstin: bool = False) -> list[Any]:
    names = [name for name in (party.get("company"), party.get("name")) if name]
    block: list[Any] = [text(heading.upper(), style(7, font=SEMIBOLD, colour=SOFT)), Spacer(0, 0.8 * mm)]
    block += [text(name, style(9.5, font=SEMIBOLD) if index == 0 else style(8.5)) for index, name in enumerate(names)]
    block += [text(part, style(8.5)) for part in _address(party)]
    if party.get("phone"):
        block.append(text(party["phone"], style(8.5)))
    if with_gstin:
        block.append(_labelled("GSTIN:", party.get("gstin") or "not registered", 8.5))
    return block


def _lines_table(invoice: Invoice, lines: Sequence[InvoiceLine]) -> Table:
    columns = [
        Column("#", [(str(line.position), "") for line in lines], is_text=True),
        Column("Description", [(line.name, f"SKU {line.sku}") for line in lines], "Total", is_wide=True),
        Column("HSN/SAC", [(line.hsn, "") for line in lines], is_text=True),
        Column("Qty", [(str(line.quantity), line.uqc) if line.quantity else ("–", "") for line in lines]),
    ]
    if not _is_note(invoice):
        # A credit note takes money back, of units or of none, and so has no rate.
        columns.append(Column("Rate", [_rate_cell(line) for line in lines]))
    if any(line.discount_amount for line in lines):
        columns.append(_money_column("Discount", "discount_amount", lines))
    if any(line.shipping_amount for line in lines):
        columns.append(_money_column("Delivery charge", "shipping_amount", lines))
    columns.append(_money_column("Taxable value", "taxable_amount", lines))
    heads = _heads_of(invoice)
    for field, head in heads:
        # CGST is half the rate, and so is its state's counterpart.
        share = 1 if field == "igst_amount" else 2
        cells = [(rules.grouped(getattr(line, field)), _percent(line.tax_rate, share)) for line in lines]
        columns.append(Column(head, cells, rules.grouped(getattr(invoice, field))))
    columns.append(_money_column("Amount", "total_amount", lines))
    return paper.figures(columns)


def _rate_cell(line: InvoiceLine) -> tuple[str, str]:
    without_tax = rules.grouped(half_up(line.gross_amount, line.quantity))
    return (
        without_tax,
        f"{rules.grouped(line.unit_price)} with tax" if line.price_includes_tax and line.tax_rate else "",
    )


def _money_column(heading: str, field: str, lines: Sequence[InvoiceLine]) -> Column:
    amounts = [getattr(line, field) for line in lines]
    return Column(heading, [(rules.grouped(amount), "") for amount in amounts], rules.grouped(sum(amounts)))


def _closing(invoice: Invoice) -> Table:
    total = f"₹{rules.grouped(invoice.total_amount)}"
    rows = [("Taxable value", rules.grouped(invoice.taxable_amount))]
    rows += [(head, rules.grouped(getattr(invoice, field))) for field, head in _heads_of(invoice)]
    rows.append(
        ("Round-off", f"{'+' if invoice.round_off_amount > 0 else ''}{rules.grouped(invoice.round_off_amount)}")
    )
    box = [[text(label, style(9)), text(amount, style(9, right=True))] for label, amount in rows]
    box.append(
        [text("Total", style(11, font=BOLD, colour=WHITE)), text(total, style(12, font=BOLD, colour=WHITE, right=True))]
    )
    width = 68 * mm
    sums = grid(
        box,
        [width * 0.42, width * 0.58],
        ("LEFTPADDING", (0, 0), (0, -1), 6),
        ("RIGHTPADDING", (-1, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 2.2),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.2),
        ("LINEBELOW", (0, 0), (-1, -2), 0.4, HAIRLINE),
        ("BACKGROUND", (0, -1), (-1, -1), ACCENT),
        ("BOTTOMPADDING", (0, -1), (-1, -1), 5),
        ("VALIGN", (0, -1), (-1, -1), "MIDDLE"),
    )
    side = 30 * mm
    words = [
        text("TOTAL IN WORDS", style(7, font=SEMIBOLD, colour=SOFT)),
        Spacer(0, 0.6 * mm),
        text(rules.amount_in_words(invoice.total_amount), style(9.5, font=SEMIBOLD)),
        Spacer(0, 2.4 * mm),
        text(
            f"The code holds this {_kind(invoice)}'s particulars as plain text, for comparison."
            " It is not a payment code and not an IRN.",
            style(7, colour=SOFT),
        ),
    ]
    left = CONTENT - width - 8 * mm
    return grid(
        [[[paper.QrCode(verification_text(invoice), side)], words, [sums]]],
        [side + 2 * mm, left - side - 2 * mm + 8 * mm, width],
        ("RIGHTPADDING", (1, 0), (1, 0), 8 * mm),
        ("TOPPADDING", (1, 0), (1, 0), 3 * mm),
    )


def _hsn_table(invoice: Invoice, lines: Sequence[InvoiceLine]) -> list[Any]:
    summary = rules.hsn_summary(lines)
    columns = [
        Column("HSN/SAC", [(row.hsn, "") for row in summary], "Total", is_wide=True),
        Column("Tax rate", [(_percent(row.tax_rate), "") for row in summary]),
        Column(
            "Taxable value",
            [(rules.grouped(row.taxable), "") for row in summary],
            rules.grouped(invoice.taxable_amount),
        ),
    ]
    for field, head in _heads_of(invoice):
        amounts = [getattr(row, field.removesuffix("_amount")) for row in summary]
        columns.append(Column(head, [(rules.grouped(amount), "") for amount in amounts], rules.grouped(sum(amounts))))
    columns.append(
        Column(
            "Total tax",
            [(rules.grouped(row.tax), "") for row in summary],
            rules.grouped(sum(row.tax for row in summary)),
        )
    )
    heading = text("TAX BY HSN/SAC", style(7, font=SEMIBOLD, colour=SOFT))
    table = paper.figures(columns, size=8, least=24 * mm)
    # A long summary may break over pages; a short one stays with its heading.
    together = [heading, Spacer(0, 1 * mm), table]
    return [KeepTogether(together)] if len(summary) <= 12 else together


def _heads_of(invoice: Invoice) -> list[tuple[str, str]]:
    charged = [(field, head) for field, head in _HEADS if getattr(invoice, field)]
    if charged:
        return charged
    # Nothing is charged on exempt goods; the heads that would apply are shown with nought.
    is_inter_state = invoice.seller["state"] != invoice.place_of_supply
    return [_HEADS[3]] if is_inter_state else [_HEADS[0], _HEADS[1]]


def _labelled(label: str, value: str, size: float) -> Paragraph:
    return text(f"{label} {value}", style(size, font=SEMIBOLD))


def _address(party: dict[str, Any]) -> list[str]:
    city = " ".join(part for part in (party.get("city"), party.get("pin")) if part)
    return [part for part in (party.get("line1"), party.get("line2"), city) if part] + [_state(party["state"])]


def _state(code: str) -> str:
    return f"{state_name(code)} ({code})"


def _date(invoice: Invoice) -> str:
    return f"{invoice.invoice_date:%d %b %Y}"


def _percent(rate: int, share: int = 1) -> str:
    return f"{rate / share / 100:g}%"
