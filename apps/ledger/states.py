"""Kinds of accounts, and why exceptions are opened and how they are resolved."""

from django.db import models


class AccountKind(models.TextChoices):
    ASSET = "asset", "Asset"
    LIABILITY = "liability", "Liability"
    INCOME = "income", "Income"
    EXPENSE = "expense", "Expense"


class ExceptionReason(models.TextChoices):
    """The difference between a gateway's data and our books."""

    UNKNOWN_PAYMENT = "unknown_payment", "Bahi has no such payment or refund"
    AMOUNT_MISMATCH = "amount_mismatch", "The amount differs from Bahi's"
    FEE_MISMATCH = "fee_mismatch", "The fee or its GST differs from what the gateway reported"
    CREDIT_MISMATCH = "credit_mismatch", "The line does not add up"
    DUPLICATED_LINE = "duplicated_line", "It was already settled"
    MISSING_LINE = "missing_line", "It should have been settled"
    SUM_MISMATCH = "sum_mismatch", "The transfer is not the sum of its lines"
    REFUND_EXCEEDS_PAYMENT = "refund_exceeds_payment", "The refund is more than is left of the payment"
    UNEXPECTED_REFUND = "unexpected_refund", "The gateway made a refund that it should not have made"
    DISPUTE_EXCEEDS_PAYMENT = "dispute_exceeds_payment", "The dispute is about more than is left of the payment"
    CURRENCY_MISMATCH = "currency_mismatch", "The currency is missing or is not the payment's"
    ACCOUNT_MISMATCH = "account_mismatch", "It is about another account at the gateway"
    CONTRADICTORY_FACTS = "contradictory_facts", "The gateway contradicts itself or an earlier report"
    UNREADABLE_FACTS = "unreadable_facts", "The amount, the state or another field cannot be read"
    WEBHOOK_FAILED = "webhook_failed", "The webhook could not be processed"
    UNKNOWN_ADJUSTMENT = "unknown_adjustment", "An adjustment for no payment or dispute in Bahi"
    UNKNOWN_KIND = "unknown_kind", "A line of a kind that Bahi does not know"
    SETTLEMENT_FAILED = "settlement_failed", "The transfer to our bank failed"
    TRANSFER_OVERDUE = "transfer_overdue", "The bank's statement does not show the settlement"
    BANK_LINE_UNKNOWN = "bank_line_unknown", "Nothing in Bahi explains the bank's line"
    BANK_LINE_REPEATED = "bank_line_repeated", "The bank's statement already has a line of it"
    BANK_AMOUNT_MISMATCH = "bank_amount_mismatch", "The bank's amount is not the settlement's"
    FAILED_SETTLEMENT_BANKED = "failed_settlement_banked", "The bank received a settlement that failed"
    RECEIVABLE_OVERDUE = "receivable_overdue", "The gateway has owed this for too long"
    FEE_OVERCHARGED = "fee_overcharged", "The fee is more than the contracted rate"
    SETTLEMENTS_NOT_IMPORTED = "settlements_not_imported", "No settlement has been imported yet"


class Resolution(models.TextChoices):
    """How an exception was resolved, and where its amount in suspense was posted."""

    NOTED = "noted", "Explained; it held no money"
    WRITTEN_OFF = "written_off", "Written off as a cost or gain of the gateway"
    CLEARED = "cleared", "Counted against what the gateway owes us"
    PAID_OUTSIDE = "paid_outside", "Paid by or to our bank outside of settlements"
    ARRIVED = "arrived", "The line arrived later"
    BOOKED = "booked", "It now agrees with the books and was posted"
