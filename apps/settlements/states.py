"""Sources and statuses of imports, kinds of settlement lines, and how far a settlement's transfer has come."""

from django.db import models

from apps.core.states import transition_table


class ReportSource(models.TextChoices):
    """The source of a settlement report."""

    API = "api", "API"
    CSV = "csv", "CSV"


class ImportStatus(models.TextChoices):
    WAITING = "waiting", "Waiting or under way"
    FAILED = "failed", "Failed"
    COMPLETED = "completed", "Completed"


class TransferStatus(models.TextChoices):
    """How far a gateway's transfer to our bank has come."""

    IN_TRANSIT = "in_transit", "In transit"
    BANKED = "banked", "On the bank's statement"
    FAILED = "failed", "Failed"


#: A bank's line ends a transfer. A gateway may transfer again what failed.
transition_transfer = transition_table(
    {
        TransferStatus.IN_TRANSIT: {TransferStatus.BANKED, TransferStatus.FAILED},
        TransferStatus.FAILED: {TransferStatus.IN_TRANSIT},
        TransferStatus.BANKED: set(),
    }
)


class LineKind(models.TextChoices):
    """The kind of a settlement line."""

    PAYMENT = "payment", "Payment"
    REFUND = "refund", "Refund"
    ADJUSTMENT = "adjustment", "Adjustment"
    TRANSFER = "transfer", "Transfer to a linked account"
    REVERSAL = "reversal", "Reversal of a transfer"
    OTHER = "other", "Of a kind that Bahi does not know"
