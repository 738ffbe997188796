"""Sources and statuses of imports of settlement reports, and kinds of settlement lines."""

from django.db import models


class ReportSource(models.TextChoices):
    """The source of a settlement report."""

    API = "api", "API"
    CSV = "csv", "CSV"


class ImportStatus(models.TextChoices):
    WAITING = "waiting", "Waiting or under way"
    FAILED = "failed", "Failed"
    COMPLETED = "completed", "Completed"


class LineKind(models.TextChoices):
    """The kind of a settlement line."""

    PAYMENT = "payment", "Payment"
    REFUND = "refund", "Refund"
    ADJUSTMENT = "adjustment", "Adjustment"
    TRANSFER = "transfer", "Transfer to a linked account"
    REVERSAL = "reversal", "Reversal of a transfer"
    OTHER = "other", "Of a kind that Bahi does not know"
