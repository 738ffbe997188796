"""GST documents and the series that number them."""

import pgtrigger
from django.db import models

from apps.core.models import FROZEN, NOT_DELETED, Record, Subject, whole_units
from apps.core.quantities import to_units
from apps.invoicing.states import DocumentType, InvoiceStatus


class NumberSeries(models.Model):
    """
    The counter of one kind of document of one registration in one financial year (India).

    Its row is locked last in the issuing transaction, right before the INSERT, so that numbers have no gaps.
    """

    id = models.BigAutoField(primary_key=True)
    registration = models.ForeignKey("tax.Registration", on_delete=models.PROTECT, related_name="+")
    document_type = models.CharField(max_length=30, choices=DocumentType)
    financial_year = models.CharField(max_length=7, help_text="2026-27")
    prefix = models.CharField(max_length=4)
    last_number = models.PositiveIntegerField(default=0)
    last_issued_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "number series"
        constraints = [
            models.UniqueConstraint(
                fields=["registration", "document_type", "financial_year"],
                name="one_series_per_registration_type_and_year",
            ),
            models.UniqueConstraint(
                fields=["registration", "financial_year", "prefix"], name="one_prefix_per_registration_and_year"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.prefix} {self.financial_year}"


class Invoice(Subject):
    """
    An issued GST document: everything on it as it was that day (CGST Rules, rules 46 and 53). Amounts in paise.

    Immutable once issued; it is corrected only by a credit note. A credit note `refers_to` the document of the sale, and is
    that of one refund (not a foreign key: documents outlive what they are about). Its amounts are what it credits. An order with a
    tax invoice and a bill of supply has a credit note for each that a refund takes something of.
    """

    PREFIX = "inv"
    PERSONAL_FIELDS = frozenset({"buyer", "shipping_address"})

    order = models.ForeignKey("orders.Order", on_delete=models.PROTECT, related_name="+")
    customer = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    registration = models.ForeignKey("tax.Registration", on_delete=models.PROTECT, related_name="+")
    type = models.CharField(max_length=30, choices=DocumentType, default=DocumentType.TAX_INVOICE)
    status = models.CharField(max_length=16, choices=InvoiceStatus, default=InvoiceStatus.ISSUED)
    series = models.ForeignKey(NumberSeries, on_delete=models.PROTECT, related_name="+")
    sequence = models.PositiveIntegerField()
    number = models.CharField(max_length=16)
    financial_year = models.CharField(max_length=7)
    issued_at = models.DateTimeField()
    invoice_date = models.DateField()
    order_number = models.CharField(max_length=20)
    seller = models.JSONField()
    buyer = models.JSONField()
    shipping_address = models.JSONField()
    place_of_supply = models.CharField(max_length=2)
    is_reverse_charge = models.BooleanField(default=False)
    currency = models.CharField(max_length=3, default="INR")
    taxable_amount = models.BigIntegerField()
    cgst_amount = models.BigIntegerField(default=0)
    sgst_amount = models.BigIntegerField(default=0)
    utgst_amount = models.BigIntegerField(default=0)
    igst_amount = models.BigIntegerField(default=0)
    round_off_amount = models.BigIntegerField(default=0)
    total_amount = models.BigIntegerField()
    payment_reference = models.CharField(max_length=80, blank=True)
    refers_to = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="notes", db_index=False
    )
    refund_id = models.UUIDField(null=True, blank=True)
    reason = models.CharField(max_length=200, blank=True, default="", db_default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["registration", "financial_year", "number"], name="one_document_per_number_and_year"
            ),
            models.UniqueConstraint(fields=["series", "sequence"], name="one_document_per_series_and_sequence"),
            models.UniqueConstraint(
                fields=["order", "type"],
                condition=~models.Q(type=DocumentType.CREDIT_NOTE) & ~models.Q(status=InvoiceStatus.CANCELLED),
                name="one_document_per_order_and_type",
            ),
            models.UniqueConstraint(
                fields=["refund_id", "refers_to"],
                condition=models.Q(refund_id__isnull=False),
                name="one_note_per_refund_and_document",
            ),
            models.CheckConstraint(
                condition=models.Q(number__regex=r"^[A-Z1-9][A-Z0-9/-]{0,15}$"), name="invoice_number_format"
            ),
            models.CheckConstraint(
                name="credit_note_refers_to_its_invoice",
                condition=~models.Q(type=DocumentType.CREDIT_NOTE)
                | models.Q(refers_to__isnull=False, refund_id__isnull=False),
            ),
            models.CheckConstraint(
                name="invoice_total_adds_up",
                condition=models.Q(
                    total_amount=models.F("taxable_amount")
                    + models.F("cgst_amount")
                    + models.F("sgst_amount")
                    + models.F("utgst_amount")
                    + models.F("igst_amount")
                    + models.F("round_off_amount")
                ),
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-created_at", "-id"], name="invoice_by_customer"),
            models.Index(fields=["-created_at", "-id"], name="invoice_by_time"),
            models.Index(
                fields=["-created_at", "-id"],
                name="credit_note_by_time",
                condition=models.Q(type=DocumentType.CREDIT_NOTE),
            ),
            models.Index(fields=["order"], name="invoice_by_order"),
            models.Index(fields=["number"], name="invoice_by_number", opclasses=["varchar_pattern_ops"]),
            models.Index(fields=["refers_to"], name="note_by_invoice", condition=models.Q(refers_to__isnull=False)),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(name="issued_is_frozen", exclude=["status", "version", "updated_at", "metadata"]),
        ]

    def __str__(self) -> str:
        return self.number


class InvoiceLine(Record):
    """One line of a GST document, as issued. Amounts in paise, `tax_rate` in basis points, `taxability` as on the order's line."""

    PREFIX = "invl"

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    order_line_id = models.UUIDField()
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=300)
    hsn = models.CharField(max_length=8)
    uqc = models.CharField(max_length=3)
    quantity_milli = models.BigIntegerField()
    unit_price = models.BigIntegerField()
    price_includes_tax = models.BooleanField()
    gross_amount = models.BigIntegerField()
    discount_amount = models.BigIntegerField(default=0)
    shipping_amount = models.BigIntegerField(default=0)
    taxable_amount = models.BigIntegerField()
    tax_rate = models.PositiveIntegerField()
    taxability = models.CharField(max_length=10, blank=True, default="", db_default="")
    cgst_amount = models.BigIntegerField(default=0)
    sgst_amount = models.BigIntegerField(default=0)
    utgst_amount = models.BigIntegerField(default=0)
    igst_amount = models.BigIntegerField(default=0)
    total_amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["invoice", "position"], name="one_invoice_line_per_position"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="invoice_line_is_whole_units"),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.name}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)


class InvoiceFile(Record):
    """The PDF of a document: rendered once, stored once, known by its hash."""

    PREFIX = "file"

    invoice = models.OneToOneField(Invoice, on_delete=models.PROTECT, related_name="file")
    path = models.CharField(max_length=200, unique=True)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    rendered_at = models.DateTimeField()

    class Meta:
        triggers = [FROZEN]

    def __str__(self) -> str:
        return self.path
