"""Models of bank statements: imports of their files, and their lines."""

import pgtrigger
from django.db import models
from django.db.models import Q

from apps.core.errors import NotFound
from apps.core.external_calls import ClaimedModel, ClaimQuerySet
from apps.core.models import NOT_DELETED, Subject
from apps.settlements.models.settlements import Settlement
from apps.settlements.states import BankLineKind, ImportStatus


class BankLineNotFound(NotFound):
    """There is no such line of a bank's statement. List the lines."""

    message = "There is no such line of a bank's statement."


class BankStatementNotFound(NotFound):
    """There is no such import of a bank's statement. List the imports."""

    message = "There is no such import of a bank's statement."


class BankStatementImport(ClaimedModel, Subject):
    """
    An import of a file with statements of one bank account. A file is identified by its hash and imported once.

    The file is checked as a whole before its first line is booked; an interrupted import continues at `rows_read`.
    Amounts in paise.
    """

    PREFIX = "bsi"
    NOT_IN_EVENTS = frozenset({"rows_read", "claimed_until"})

    account = models.CharField(max_length=34, blank=True, help_text="The number of the account, as far as it is known.")
    layout = models.CharField(max_length=120, blank=True)
    fingerprint = models.CharField(max_length=80, unique=True, help_text="The SHA-256 of the file.")
    file_name = models.CharField(max_length=200, blank=True)
    status = models.CharField(max_length=10, choices=ImportStatus, default=ImportStatus.WAITING)
    requested_by = models.CharField(max_length=200)
    rows_read = models.PositiveIntegerField(default=0)
    lines_added = models.PositiveIntegerField(default=0)
    exceptions_opened = models.PositiveIntegerField(default=0)
    first_on = models.DateField(null=True, blank=True)
    last_on = models.DateField(null=True, blank=True)
    closing_balance = models.BigIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    objects = ClaimQuerySet["BankStatementImport"].as_manager()

    class Meta:
        indexes = [models.Index(fields=["-created_at", "-id"], name="bank_import_by_time")]
        triggers = [NOT_DELETED]

    def __str__(self) -> str:
        return f"{self.layout} {self.file_name}".strip()


class BankLine(Subject):
    """
    One line of a bank's statement, as the bank wrote it, and how it is booked. Amounts in paise, credits positive.

    It is known again by account, day, amount, reference, balance and its occurrence within the day (`fingerprint`).
    `tax_amount` is the GST in a charge. The description may name persons, so no event has it.
    """

    PREFIX = "bln"
    PERSONAL_FIELDS = frozenset({"description"})

    report = models.ForeignKey(BankStatementImport, on_delete=models.PROTECT, related_name="lines")
    fingerprint = models.CharField(max_length=64, unique=True)
    account = models.CharField(max_length=34)
    booked_on = models.DateField()
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")
    reference = models.CharField(max_length=80, blank=True)
    description = models.CharField(max_length=400, blank=True)
    balance = models.BigIntegerField(null=True, blank=True)
    occurrence = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=12, choices=BankLineKind)
    tax_amount = models.BigIntegerField(default=0)
    settlement = models.OneToOneField(
        Settlement, on_delete=models.PROTECT, null=True, blank=True, related_name="bank_line"
    )
    refund = models.OneToOneField("payments.Refund", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    exception = models.OneToOneField(
        "ledger.ReconciliationException", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(kind=BankLineKind.SETTLEMENT, settlement__isnull=False)
                | (~Q(kind=BankLineKind.SETTLEMENT) & Q(settlement__isnull=True)),
                name="bank_line_of_settlement_names_it",
            ),
            models.CheckConstraint(
                condition=~Q(kind=BankLineKind.SUSPENSE) | Q(exception__isnull=False),
                name="bank_line_in_suspense_has_exception",
            ),
        ]
        indexes = [
            models.Index(fields=["-booked_on", "-id"], name="bank_line_by_day"),
            models.Index(fields=["account", "booked_on"], name="bank_line_by_account"),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.ReadOnly(
                name="bank_line_is_frozen",
                fields=[
                    "report", "fingerprint", "account", "booked_on", "amount", "currency", "reference", "description", "balance",
                    "occurrence", "tax_amount", "refund", "exception",
                ],
            ),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.booked_on} {self.reference}".strip()
