"""Models of settlements, their lines and imports."""

import pgtrigger
from django.db import models
from django.db.models import F, Q

from apps.core.errors import NotFound
from apps.core.external_calls import ClaimedModel, ClaimQuerySet
from apps.core.models import FROZEN, NOT_DELETED, Record, Subject
from apps.ledger.states import ExceptionReason
from apps.settlements.states import FeeMethod, FeeOutcome, ImportStatus, LineKind, ReportSource, TransferStatus


class SettlementNotFound(NotFound):
    """There is no such settlement. List the settlements."""

    message = "There is no such settlement."


class FeeRateNotFound(NotFound):
    """There is no such row of the rate card. List the rate card."""

    message = "There is no such row of the rate card."


class SettlementImport(ClaimedModel, Subject):
    """
    An import of a gateway's settlement report: from the API for a day (in India), or from a CSV file.

    Rows are staged first. `rows_read` of them are committed, and an interrupted import resumes there. A file is
    identified by its hash and imported once.
    """

    PREFIX = "simp"
    NOT_IN_EVENTS = frozenset({"rows_read", "claimed_until"})

    gateway = models.CharField(max_length=20)
    source = models.CharField(max_length=5, choices=ReportSource)
    fingerprint = models.CharField(max_length=80, help_text="The day, or the SHA-256 of the file.")
    file_name = models.CharField(max_length=200, blank=True)
    day = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=10, choices=ImportStatus, default=ImportStatus.WAITING)
    requested_by = models.CharField(max_length=200)
    rows_read = models.PositiveIntegerField(default=0)
    lines_added = models.PositiveIntegerField(default=0)
    exceptions_opened = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = ClaimQuerySet["SettlementImport"].as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "fingerprint"],
                condition=Q(source=ReportSource.CSV) | ~Q(status=ImportStatus.COMPLETED),
                name="one_import_per_report",
            ),
        ]
        indexes = [models.Index(fields=["-created_at", "-id"], name="settlement_import_by_time")]
        triggers = [NOT_DELETED]

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.file_name or self.day or ''}".strip()


class SettlementReportRow(models.Model):
    """A staged row of a report, as it was reported; deleted when the import is completed."""

    id = models.UUIDField(primary_key=True)
    report = models.ForeignKey(SettlementImport, on_delete=models.PROTECT, related_name="+", db_index=False)
    position = models.PositiveIntegerField()
    gateway_settlement_id = models.CharField(max_length=40)
    utr = models.CharField(max_length=60)
    settled_at = models.DateTimeField(null=True)
    entity_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=12)
    reported_kind = models.CharField(max_length=40, default="", db_default="")
    amount = models.BigIntegerField()
    debit = models.BigIntegerField()
    credit = models.BigIntegerField()
    fee_amount = models.BigIntegerField()
    tax_amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    entity_created_at = models.DateTimeField(null=True)
    method = models.CharField(max_length=20)
    gateway_payment_id = models.CharField(max_length=40)
    dispute_id = models.CharField(max_length=40)
    credit_type = models.CharField(max_length=20, default="", db_default="")
    description = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["report", "position"], name="one_staged_row_per_position"),
        ]
        indexes = [models.Index(fields=["report", "gateway_settlement_id"], name="staged_row_by_settlement")]

    def __str__(self) -> str:
        return f"{self.position}: {self.entity_id}"


class Settlement(Subject):
    """
    One transfer of a gateway to our bank, with the bank's reference (UTR). Amounts in paise.

    `amount` is the transferred amount by the gateway's API, null until it is known; the other totals are sums of its
    lines. The lines are in parts, one per import that added some; each part is one posting. What it transfers is in
    transit until a line of the bank's statement brings it (`transfer_status`).
    """

    PREFIX = "stl"

    gateway = models.CharField(max_length=20)
    gateway_settlement_id = models.CharField(max_length=40)
    utr = models.CharField(max_length=60, blank=True)
    status = models.CharField(max_length=20, blank=True, help_text="The gateway's description.")
    amount = models.BigIntegerField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="INR")
    lines_amount = models.BigIntegerField(default=0)
    fee_amount = models.BigIntegerField(default=0)
    tax_amount = models.BigIntegerField(default=0)
    line_count = models.PositiveIntegerField(default=0)
    parts = models.PositiveSmallIntegerField(default=0)
    settled_at = models.DateTimeField()
    transfer_status = models.CharField(
        max_length=10, choices=TransferStatus, default=TransferStatus.IN_TRANSIT, db_default=TransferStatus.IN_TRANSIT
    )
    failed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["gateway", "gateway_settlement_id"], name="one_row_per_settlement"),
            models.CheckConstraint(
                condition=Q(transfer_status=TransferStatus.FAILED, failed_at__isnull=False)
                | (~Q(transfer_status=TransferStatus.FAILED) & Q(failed_at__isnull=True)),
                name="failed_settlement_has_its_time",
            ),
        ]
        indexes = [
            models.Index(fields=["-settled_at", "-id"], name="settlement_by_time"),
            models.Index(fields=["gateway_settlement_id"], name="settlement_by_gateway_id"),
            models.Index(fields=["utr"], name="settlement_by_utr", condition=~Q(utr="")),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="settlement_is_frozen", fields=["gateway", "gateway_settlement_id", "currency", "settled_at"]
            ),
        ]

    def __str__(self) -> str:
        return self.gateway_settlement_id


class SettlementLine(Record):
    """
    One line of a settlement as the gateway reported it, and how it is booked. Amounts in paise.

    Bank transfer, fee and transfer to a linked account clear the receivable from the gateway. A difference is held in
    suspense with an exception that explains it: `bank + fee - fee_credit + transfer + held = cleared`. A line that is
    repeated in one settlement is stored and not booked.

    `attempt` is the payment that a line settles, or that an adjustment corrects; null if we have no such payment.
    """

    PREFIX = "stln"

    settlement = models.ForeignKey(Settlement, on_delete=models.PROTECT, related_name="lines")
    report = models.ForeignKey(SettlementImport, on_delete=models.PROTECT, related_name="+")
    part = models.PositiveSmallIntegerField()
    entity_id = models.CharField(max_length=40)
    occurrence = models.PositiveSmallIntegerField(default=1)
    kind = models.CharField(max_length=12, choices=LineKind)
    reported_kind = models.CharField(
        max_length=40, blank=True, default="", db_default="", help_text="The gateway's description."
    )
    amount = models.BigIntegerField()
    debit = models.BigIntegerField()
    credit = models.BigIntegerField()
    reported_fee_amount = models.BigIntegerField()
    reported_tax_amount = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    entity_created_at = models.DateTimeField(null=True)
    method = models.CharField(max_length=20, blank=True)
    gateway_payment_id = models.CharField(max_length=40, blank=True)
    dispute_id = models.CharField(max_length=40, blank=True)
    credit_type = models.CharField(
        max_length=20,
        blank=True,
        default="",
        db_default="",
        help_text="What the fee was paid from: default, fee (credits), amount (credits).",
    )
    description = models.CharField(max_length=200, blank=True)
    attempt = models.ForeignKey(
        "payments.PaymentAttempt", on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )
    refund = models.ForeignKey("payments.Refund", on_delete=models.PROTECT, null=True, related_name="+", db_index=False)
    problem = models.CharField(max_length=40, choices=ExceptionReason, blank=True)
    bank_amount = models.BigIntegerField(help_text="Debit positive.")
    fee_amount = models.BigIntegerField(help_text="With its GST; debit positive.")
    tax_amount = models.BigIntegerField(help_text="The GST in it.")
    fee_credit_amount = models.BigIntegerField(
        default=0, db_default=0, help_text="Of the fee, what prepaid credits paid; credit positive."
    )
    transfer_amount = models.BigIntegerField(
        default=0, db_default=0, help_text="To a linked account of Route; debit positive."
    )
    cleared_amount = models.BigIntegerField(help_text="Of what the gateway owed us; credit positive.")
    held_amount = models.BigIntegerField(help_text="In suspense; debit positive.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["settlement", "entity_id", "kind", "reported_kind", "occurrence"],
                name="one_line_per_kind_and_occurrence",
            ),
            models.CheckConstraint(
                condition=Q(
                    cleared_amount=F("bank_amount")
                    + F("fee_amount")
                    - F("fee_credit_amount")
                    + F("transfer_amount")
                    + F("held_amount")
                ),
                name="settlement_line_amounts_add_up",
            ),
        ]
        indexes = [
            models.Index(fields=["entity_id"], name="settlement_line_by_entity"),
            models.Index(fields=["attempt"], name="settlement_line_by_attempt", condition=Q(attempt__isnull=False)),
            models.Index(fields=["refund"], name="settlement_line_by_refund", condition=Q(refund__isnull=False)),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return self.entity_id


class FeeRate(Subject):
    """
    One row of the rate card: the contracted fee of a method, in basis points of the amount and paise, without its GST.

    A condition that is empty or null holds for every payment. A row is never changed: a later one of the same conditions,
    amounts and first day corrects it, or withdraws it. Both ends of the period are days in India that belong to it.
    """

    PREFIX = "frate"

    gateway = models.CharField(max_length=20, default="razorpay")
    method = models.CharField(max_length=20, choices=FeeMethod)
    network = models.CharField(max_length=30, blank=True)
    funding = models.CharField(max_length=20, blank=True)
    is_international = models.BooleanField(null=True, blank=True)
    amount_from = models.BigIntegerField(null=True, blank=True)
    amount_to = models.BigIntegerField(null=True, blank=True)
    rate_basis_points = models.PositiveIntegerField(default=0)
    fixed_amount = models.BigIntegerField(default=0)
    min_amount = models.BigIntegerField(null=True, blank=True, help_text="The least fee.")
    max_amount = models.BigIntegerField(null=True, blank=True, help_text="The highest fee.")
    gst_basis_points = models.PositiveIntegerField(default=1_800)
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)
    contract = models.CharField(
        max_length=120, blank=True, help_text="The document that has the rate, such as a letter and its date."
    )
    is_withdrawn = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(valid_to__isnull=True) | Q(valid_to__gte=F("valid_from")),
                name="fee_rate_ends_after_it_begins",
            ),
            models.CheckConstraint(
                condition=Q(rate_basis_points__lte=10_000, gst_basis_points__lte=10_000, fixed_amount__gte=0),
                name="fee_rate_is_in_range",
            ),
            models.CheckConstraint(
                condition=Q(min_amount__isnull=True) | Q(max_amount__isnull=True) | Q(min_amount__lte=F("max_amount")),
                name="fee_caps_are_in_order",
            ),
            models.CheckConstraint(
                condition=Q(amount_from__isnull=True) | Q(amount_to__isnull=True) | Q(amount_from__lte=F("amount_to")),
                name="fee_amounts_are_in_order",
            ),
        ]
        indexes = [models.Index(fields=["gateway", "method", "-valid_from"], name="fee_rate_by_method")]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.get_method_display()} from {self.valid_from}"


class FeeCheck(models.Model):
    """
    What the fee audit found of one settlement line, in paise; the fees include their GST.

    Never changed: when the rate card says something else, a later `revision` does. `expected_fee` is null where no rate
    applies. `month` is the first day of the payment's month in India.
    """

    id = models.BigAutoField(primary_key=True)
    created_at = models.DateTimeField()
    line = models.ForeignKey(SettlementLine, on_delete=models.PROTECT, related_name="+", db_index=False)
    revision = models.PositiveSmallIntegerField()
    rate = models.ForeignKey(FeeRate, on_delete=models.PROTECT, null=True, related_name="+")
    outcome = models.CharField(max_length=12, choices=FeeOutcome)
    method = models.CharField(max_length=20)
    month = models.DateField()
    base_amount = models.BigIntegerField(help_text="The amount that the fee is computed on.")
    charged_fee = models.BigIntegerField()
    charged_tax = models.BigIntegerField()
    expected_fee = models.BigIntegerField(null=True)
    expected_tax = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["line", "revision"], name="one_fee_check_per_revision"),
            models.CheckConstraint(
                condition=Q(outcome=FeeOutcome.NO_RATE, rate__isnull=True, expected_fee__isnull=True)
                | Q(rate__isnull=False, expected_fee__isnull=False, expected_tax__isnull=False),
                name="fee_check_has_its_rate",
            ),
        ]
        indexes = [
            models.Index(fields=["line"], name="fee_check_overcharged", condition=Q(outcome=FeeOutcome.OVERCHARGED)),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} ({self.method})"
