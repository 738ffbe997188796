"""Models of the ledger: accounts, transactions that sum to zero, and checkpoints of balances."""

import pgtrigger
from django.db import models

from apps.core.models import FROZEN, Record
from apps.core.money import rupees
from apps.ledger.states import AccountKind


class Account(models.Model):
    """An account of the ledger. Debits are positive, credits negative."""

    code = models.CharField(max_length=60, primary_key=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=AccountKind)
    registration = models.ForeignKey(
        "tax.Registration", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return self.code


class LedgerTransaction(Record):
    """
    One business fact in the books: entries that sum to zero, posted once for its source.

    `order_id` is the order that it belongs to. It is not a foreign key, because the ledger outlives the rows that it
    records.
    """

    PREFIX = "ltx"

    source_type = models.CharField(max_length=40)
    source_id = models.UUIDField()
    kind = models.CharField(max_length=40)
    order_id = models.UUIDField(null=True, blank=True)
    occurred_at = models.DateTimeField()
    description = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source_type", "source_id", "kind"], name="one_posting_per_fact"),
        ]
        indexes = [
            models.Index(fields=["order_id"], name="ledger_by_order", condition=models.Q(order_id__isnull=False))
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.kind}: {self.description}"


class LedgerEntry(models.Model):
    """One side of a ledger transaction: an amount (paise, signed) on an account."""

    id = models.BigAutoField(primary_key=True)
    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="entries")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    amount = models.BigIntegerField()
    currency = models.CharField(max_length=3, default="INR")

    class Meta:
        verbose_name_plural = "ledger entries"
        constraints = [models.CheckConstraint(condition=~models.Q(amount=0), name="entry_is_not_zero")]
        indexes = [models.Index(fields=["account", "id"], name="entry_by_account")]
        triggers = [
            FROZEN,
            pgtrigger.Trigger(
                name="transaction_sums_to_zero",
                when=pgtrigger.After,
                operation=pgtrigger.Insert,
                timing=pgtrigger.Deferred,
                func="IF (SELECT SUM(amount) FROM ledger_ledgerentry WHERE transaction_id = NEW.transaction_id"
                " AND currency = NEW.currency) <> 0"
                " THEN RAISE EXCEPTION 'ledger transaction % does not sum to zero', NEW.transaction_id"
                " USING ERRCODE = 'check_violation'; END IF; RETURN NULL;",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {rupees(self.amount)}"


class BalanceCheckpoint(models.Model):
    """The balance of an account (paise) over its entries up to and including `last_entry_id`."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3, default="INR")
    last_entry_id = models.BigIntegerField()
    balance = models.BigIntegerField()
    taken_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "currency", "last_entry_id"], name="one_checkpoint_per_entry"),
        ]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.account_id} {rupees(self.balance)}"
