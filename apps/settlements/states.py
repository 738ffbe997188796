"""Sources and statuses of imports, kinds of settlement lines, states of transfers, and the words of the rate card."""

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


class BankLineKind(models.TextChoices):
    """What a line of a bank's statement was booked as."""

    SETTLEMENT = "settlement", "Settlement"
    REFUND = "refund", "Refund by bank transfer"
    CHARGE = "charge", "Bank charge"
    SUSPENSE = "suspense", "In suspense"


class LineKind(models.TextChoices):
    """The kind of a settlement line."""

    PAYMENT = "payment", "Payment"
    REFUND = "refund", "Refund"
    ADJUSTMENT = "adjustment", "Adjustment"
    TRANSFER = "transfer", "Transfer to a linked account"
    REVERSAL = "reversal", "Reversal of a transfer"
    OTHER = "other", "Of a kind that Bahi does not know"


class FeeMethod(models.TextChoices):
    """What the rate card has a fee for: a method of payment in the gateway's words, or a kind of line."""

    CARD = "card", "Card"
    UPI = "upi", "UPI"
    NETBANKING = "netbanking", "Netbanking"
    WALLET = "wallet", "Wallet"
    EMI = "emi", "EMI"
    CARDLESS_EMI = "cardless_emi", "Cardless EMI"
    PAYLATER = "paylater", "Pay later"
    BANK_TRANSFER = "bank_transfer", "Bank transfer"
    REFUND = "refund", "Refund"
    TRANSFER = "transfer", "Transfer to a linked account"


class FeeOutcome(models.TextChoices):
    """How a charged fee compares with the rate card."""

    AGREES = "agrees", "As contracted"
    OVERCHARGED = "overcharged", "Overcharged"
    UNDERCHARGED = "undercharged", "Undercharged"
    TAX_DIFFERS = "tax_differs", "The fee agrees, the GST in it does not"
    NO_RATE = "no_rate", "No rate applies"


#: Card schemes and fundings as Razorpay spells them. https://razorpay.com/docs/api/payments/entity/
NETWORKS = (
    "Visa", "MasterCard", "RuPay", "Maestro", "American Express", "Diners Club", "Bajaj Finserv", "JCB", "Union Pay", "Unknown",
)  # fmt: skip
FUNDINGS = ("credit", "debit", "prepaid", "unknown", "bank_account", "credit_card", "wallet", "credit_line", "ppi")
