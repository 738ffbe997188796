"""Reads of payments and of the ledger."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Prefetch, Q, QuerySet, Sum

from apps.core import ids
from apps.core.errors import NotFound
from apps.core.models import Subject
from apps.payments.gateways import GatewayPayment, GatewayRefund
from apps.payments.models import (
    Account,
    BalanceCheckpoint,
    Dispute,
    DisputeNotFound,
    LedgerEntry,
    LedgerTransaction,
    Payment,
    PaymentAttempt,
    PaymentNotFound,
    ReconciliationException,
    Refund,
    RefundLine,
    RefundNotFound,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementNotFound,
    Webhook,
)
from apps.payments.states import (
    HOLDING,
    LIVE,
    OPEN_REFUNDS,
    PROMISED,
    AttemptStatus,
    ExceptionReason,
    ImportStatus,
    RefundStatus,
    ReportSource,
    Resolution,
    ReviewReason,
)


class NoSuchAccount(NotFound):
    message = "The ledger has no account {0}."


@dataclass(frozen=True)
class Balance:
    """What an account holds, in paise: debits positive, credits negative."""

    account: Account
    currency: str
    amount: int


def get_payment(payment_id: UUID) -> Payment:
    """
    Return a payment, whoever's it is.

    :raises PaymentNotFound: if there is none
    """
    payment = Payment.objects.filter(pk=payment_id).first()
    if payment is None:
        raise PaymentNotFound
    return payment


def list_visible_payments(
    *, user: Any, statuses: Collection[str] = (), order_id: UUID | None = None
) -> QuerySet[Payment]:
    """Return the payments that a user may see, with their attempts: their own, or all if they are staff who may look."""
    rows = _visible_to(user)
    if statuses:
        rows = rows.filter(status__in=statuses)
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return rows.order_by("-created_at", "-pk")


def get_visible_payment(*, user: Any, payment_id: UUID) -> Payment:
    """
    Return a payment with its attempts.

    :raises PaymentNotFound: if there is none, or it is somebody else's
    """
    payment = _visible_to(user).filter(pk=payment_id).first()
    if payment is None:
        raise PaymentNotFound
    return payment


def _visible_to(user: Any) -> QuerySet[Payment]:
    rows = Payment.objects.prefetch_related(_ordered_attempts())
    sees_all = user.is_active and user.is_staff and user.has_perm("payments.view_payment")
    return rows if sees_all else rows.filter(customer_id=user.pk)


def _ordered_attempts() -> "Prefetch[str, QuerySet[PaymentAttempt], str]":
    return Prefetch("attempts", queryset=PaymentAttempt.objects.order_by("created_at", "pk"))


def list_payments_of_order(order_id: UUID) -> QuerySet[Payment]:
    """Return the payments of an order, first to last, with their attempts."""
    return Payment.objects.filter(order_id=order_id).prefetch_related(_ordered_attempts()).order_by("sequence")


def find_live_payment(order_id: UUID) -> Payment | None:
    """Return the one live payment of an order, or None."""
    return Payment.objects.filter(order_id=order_id).live().first()


def find_captured_attempt(order_id: UUID) -> PaymentAttempt | None:
    """Return the attempt that paid an order, or None; what staff must still decide about does not count."""
    return (
        PaymentAttempt.objects.filter(payment__order_id=order_id, status=AttemptStatus.CAPTURED, review_reason="")
        .order_by("captured_at", "pk")
        .first()
    )


def find_payment_for(facts: GatewayPayment) -> Payment | None:
    """
    Return the payment that a gateway's payment belongs to, or None if it is not ours.

    By the gateway's order; or, where the answer to our call was lost, by our own id that the gateway kept.
    """
    rows = Payment.objects.filter(gateway=facts.gateway)
    if not facts.order_id:
        return None
    known = rows.filter(gateway_order_id=facts.order_id).first()
    if known is not None or not facts.our_payment:
        return known
    try:
        ours = ids.decode(Payment.PREFIX, facts.our_payment)
    except NotFound:
        return None
    return rows.filter(pk=ours, gateway_order_id__isnull=True).first()


def find_webhook(*, gateway: str, event_id: str, body_sha256: str) -> Webhook | None:
    """Return a webhook that came before, by its event id or else by its body, or None."""
    rows = Webhook.objects.filter(gateway=gateway)
    return rows.filter(event_id=event_id).first() or rows.filter(body_sha256=body_sha256).first()


def list_waiting_webhooks(*, before: datetime, limit: int) -> list[UUID]:
    """Return the ids of webhooks that came before an instant and are not processed, oldest first."""
    rows = Webhook.objects.filter(processed_at__isnull=True, received_at__lte=before)
    return list(rows.order_by("received_at").values_list("pk", flat=True)[:limit])


def list_due_payments(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of the payments that the janitor must look at."""
    return list(Payment.objects.due(now).values_list("pk", flat=True)[:limit])


def sum_captured(order_id: UUID, *, currency: str) -> int:
    """
    Return the money (paise) that came for an order and was not given back.

    Leaves out money of another amount or currency than asked: it is in the books and counts for nothing until staff decide.
    """
    captured = PaymentAttempt.objects.filter(
        payment__order_id=order_id, status=AttemptStatus.CAPTURED, currency=currency
    ).exclude(review_reason=ReviewReason.AMOUNT_DIFFERS)
    return captured.aggregate(total=Sum("amount"))["total"] or 0


def latest_live_until(order_id: UUID) -> datetime | None:
    """Return until when a payment of an order is under way, or None."""
    live = Payment.objects.filter(order_id=order_id, status__in=LIVE).order_by("-live_until")
    return live.values_list("live_until", flat=True).first()


def list_attempt_states(payment_id: UUID) -> Collection[tuple[str, str]]:
    """Return status and review reason of each attempt of a payment."""
    return list(PaymentAttempt.objects.filter(payment_id=payment_id).values_list("status", "review_reason"))


def list_attempts_to_capture(payment_id: UUID) -> list[PaymentAttempt]:
    """Return the authorised attempts of a payment whose amount is the one asked."""
    return list(
        PaymentAttempt.objects.filter(
            payment_id=payment_id, status=AttemptStatus.AUTHORIZED, review_reason=""
        ).order_by("created_at", "pk")
    )


# Refunds -------------------------------------------------------------------------------------------------------------


def get_refund(refund_id: UUID) -> Refund:
    """
    Return a refund, whoever's it is.

    :raises RefundNotFound: if there is none
    """
    refund = Refund.objects.filter(pk=refund_id).first()
    if refund is None:
        raise RefundNotFound
    return refund


def list_visible_refunds(
    *, user: Any, statuses: Collection[str] = (), order_id: UUID | None = None
) -> QuerySet[Refund]:
    """Return the refunds that a user may see, with their lines, newest first: of their own orders, or all for staff."""
    rows = _refunds_visible_to(user)
    if statuses:
        rows = rows.filter(status__in=statuses)
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return rows.order_by("-created_at", "-pk")


def get_visible_refund(*, user: Any, refund_id: UUID) -> Refund:
    """
    Return a refund with its lines.

    :raises RefundNotFound: if there is none, or it is of somebody else's order
    """
    refund = _refunds_visible_to(user).filter(pk=refund_id).first()
    if refund is None:
        raise RefundNotFound
    return refund


def _refunds_visible_to(user: Any) -> QuerySet[Refund]:
    rows = Refund.objects.prefetch_related(Prefetch("lines", queryset=RefundLine.objects.order_by("pk")))
    sees_all = user.is_active and user.is_staff and user.has_perm("payments.view_refund")
    return rows if sees_all else rows.filter(payment__customer_id=user.pk)


def list_refunds_of_order(order_id: UUID) -> QuerySet[Refund]:
    """Return the refunds of an order, first to last, with their lines."""
    lines = Prefetch("lines", queryset=RefundLine.objects.order_by("pk"))
    return Refund.objects.filter(order_id=order_id).prefetch_related(lines).order_by("sequence")


def sum_refunded(order_id: UUID) -> int:
    """Return the money (paise) of an order that has gone back or is promised back."""
    rows = Refund.objects.filter(order_id=order_id, status__in=PROMISED)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sum_given_back(order_id: UUID, *, currency: str) -> int:
    """Return the money (paise) that has gone back, of what `sum_captured` counts as come in."""
    rows = Refund.objects.filter(order_id=order_id, status=RefundStatus.PROCESSED, currency=currency)
    rows = rows.exclude(attempt__review_reason=ReviewReason.AMOUNT_DIFFERS)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def sum_held_of_attempt(attempt_id: UUID) -> int:
    """Return the money (paise) of an attempt that is asked back, promised back or has gone back."""
    rows = Refund.objects.filter(attempt_id=attempt_id, status__in=HOLDING)
    return rows.aggregate(total=Sum("amount"))["total"] or 0


def refundable_of(order_id: UUID) -> int:
    """Return the money (paise) of an order that can still be asked back."""
    attempts = PaymentAttempt.objects.filter(payment__order_id=order_id, status=AttemptStatus.CAPTURED)
    attempts = attempts.exclude(review_reason=ReviewReason.AMOUNT_DIFFERS)
    return sum(attempt.amount - sum_held_of_attempt(attempt.pk) for attempt in attempts)


def list_refunded_units(order_id: UUID) -> dict[UUID, tuple[int, int]]:
    """Return the units and paise that refunds hold of each line of an order, by the line's id."""
    rows = RefundLine.objects.filter(refund__order_id=order_id, refund__status__in=HOLDING)
    sums = rows.values("order_line_id").annotate(units=Sum("quantity"), paise=Sum("amount")).order_by()
    return {row["order_line_id"]: (row["units"], row["paise"]) for row in sums}


def find_refund_for(facts: GatewayRefund) -> Refund | None:
    """Return the refund that a gateway's refund is: by our own id that the gateway kept, else by the gateway's; or None."""
    rows = Refund.objects.filter(payment__gateway=facts.gateway)
    if facts.our_refund:
        with suppress(NotFound):
            ours = rows.filter(pk=ids.decode(Refund.PREFIX, facts.our_refund)).first()
            if ours is not None and ours.gateway_refund_id in (None, facts.id):
                return ours
    return rows.filter(gateway_refund_id=facts.id).first()


def find_attempt(*, gateway: str, gateway_payment_id: str) -> PaymentAttempt | None:
    """Return an attempt with its payment by the gateway's id, or None."""
    rows = PaymentAttempt.objects.filter(gateway=gateway, gateway_payment_id=gateway_payment_id)
    return rows.select_related("payment").first()


def list_due_refunds(*, now: datetime, limit: int) -> list[UUID]:
    """Return the ids of the refunds that the janitor must look at."""
    return list(Refund.objects.due(now).values_list("pk", flat=True)[:limit])


# The ledger ----------------------------------------------------------------------------------------------------------


def list_ledger_of_order(order_id: UUID) -> QuerySet[LedgerTransaction]:
    """Return the ledger transactions of an order with their entries, oldest first."""
    entries = Prefetch("entries", queryset=LedgerEntry.objects.select_related("account").order_by("id"))
    return LedgerTransaction.objects.filter(order_id=order_id).prefetch_related(entries).order_by("occurred_at", "id")


def list_entries_of_order(order_id: UUID) -> QuerySet[LedgerEntry]:
    """Return every ledger entry of an order, oldest transaction first."""
    entries = LedgerEntry.objects.filter(transaction__order_id=order_id).select_related("transaction")
    return entries.order_by("transaction__occurred_at", "transaction_id", "id")


def balance_of(code: str, *, currency: str = "INR") -> int:
    """
    Return an account's balance in paise, debits positive: its last checkpoint and the entries after it.

    :raises NoSuchAccount: if the ledger has no such account
    """
    if not Account.objects.filter(pk=code).exists():
        raise NoSuchAccount(code)
    checkpoint = find_checkpoint(code, currency=currency)
    base, after = (checkpoint.balance, checkpoint.last_entry_id) if checkpoint else (0, 0)
    entries = LedgerEntry.objects.filter(account_id=code, currency=currency, id__gt=after)
    return base + (entries.aggregate(total=Sum("amount"))["total"] or 0)


def list_balances(*, currency: str = "INR") -> list[Balance]:
    """Return the trial balance: every account and what it holds, by code. It sums to zero."""
    accounts = Account.objects.order_by("code")
    return [Balance(account, currency, balance_of(account.pk, currency=currency)) for account in accounts]


def find_checkpoint(code: str, *, currency: str) -> BalanceCheckpoint | None:
    """Return the latest checkpoint of an account, or None."""
    rows = BalanceCheckpoint.objects.filter(account_id=code, currency=currency)
    return rows.order_by("-last_entry_id").first()


def list_statement(code: str, *, currency: str = "INR", last: int | None = None) -> tuple[int, QuerySet[LedgerEntry]]:
    """
    Return an account's entries as they were posted, or the last so many, and the balance (paise) before the first of them.

    :raises NoSuchAccount: if the ledger has no such account
    """
    if not Account.objects.filter(pk=code).exists():
        raise NoSuchAccount(code)
    entries = LedgerEntry.objects.filter(account_id=code, currency=currency)
    shown = entries.select_related("transaction").order_by("id")
    if last is None:
        return 0, shown
    first = list(entries.order_by("-id").values_list("id", flat=True)[:last])[-1:]
    if not first:
        return 0, shown
    opening = entries.filter(id__lt=first[0]).aggregate(total=Sum("amount"))["total"] or 0
    return opening, shown.filter(id__gte=first[0])


# Disputes ------------------------------------------------------------------------------------------------------------


def get_dispute(dispute_id: UUID) -> Dispute:
    """
    Return a dispute with its attempt.

    :raises DisputeNotFound: if there is none
    """
    dispute = Dispute.objects.select_related("attempt").filter(pk=dispute_id).first()
    if dispute is None:
        raise DisputeNotFound
    return dispute


def list_disputes(*, statuses: Collection[str] = (), order_id: UUID | None = None) -> QuerySet[Dispute]:
    """Return the disputes, newest first; staff alone may see them."""
    rows = Dispute.objects.all()
    if statuses:
        rows = rows.filter(status__in=statuses)
    if order_id is not None:
        rows = rows.filter(order_id=order_id)
    return rows.order_by("-created_at", "-pk")


def is_dispute_known(gateway_dispute_id: str) -> bool:
    """Return whether we know a gateway's dispute."""
    return Dispute.objects.filter(gateway_dispute_id=gateway_dispute_id).exists()


def list_due_disputes(*, now: datetime, limit: int) -> list[Dispute]:
    """Return the undecided disputes that the janitor must look at, with their attempts, longest waiting first."""
    rows = Dispute.objects.filter(next_check_at__lte=now).select_related("attempt")
    return list(rows.order_by("next_check_at", "pk")[:limit])


# Whole stories -------------------------------------------------------------------------------------------------------


def list_subjects_of_orders(order_ids: Collection[UUID]) -> dict[str, list[tuple[UUID, Subject]]]:
    """Return the rows of some orders that make news, by kind, each with its order's id."""
    payments = Payment.objects.filter(order_id__in=order_ids)
    attempts = PaymentAttempt.objects.filter(payment__order_id__in=order_ids).select_related("payment")
    refunds = Refund.objects.filter(order_id__in=order_ids)
    return {
        "payments": [(one.order_id, one) for one in payments],
        "attempts": [(one.payment.order_id, one) for one in attempts],
        "refunds": [(one.order_id, one) for one in refunds],
        "disputes": [(one.order_id, one) for one in Dispute.objects.filter(order_id__in=order_ids)],
    }


def get_story_of_money(order_id: UUID) -> dict[str, list[dict[str, Any]]]:
    """Return what became of an order's money, for an operator: payments, attempts, refunds, postings. Paise and UTC."""
    payments = list(list_payments_of_order(order_id))
    return {
        "payments": [_told(one, one.gateway_order_id or "") for one in payments],
        "attempts": [_told(one, one.gateway_payment_id) for payment in payments for one in payment.attempts.all()],
        "refunds": [
            _told(one, one.gateway_refund_id or one.manual_reference)
            for one in Refund.objects.filter(order_id=order_id).order_by("sequence")
        ],
        "disputes": [
            _told(one, one.gateway_dispute_id)
            for one in Dispute.objects.filter(order_id=order_id).order_by("opened_at")
        ],
        "ledger": [
            {
                "at": entry.transaction.occurred_at,
                "kind": entry.transaction.kind,
                "account": entry.account_id,
                "amount": entry.amount,
                "description": entry.transaction.description,
            }
            for entry in list_entries_of_order(order_id)
        ],
    }


def _told(one: Any, gateway_id: str) -> dict[str, Any]:
    return {
        "at": one.created_at,
        "id": one.public_id,
        "status": one.status,
        "amount": one.amount,
        "currency": one.currency,
        "gateway_id": gateway_id,
    }


# Settlements ---------------------------------------------------------------------------------------------------------


def find_settlement_import(like: SettlementImport) -> SettlementImport | None:
    """Return the import of the same report: of a file whenever it was, of a day only if it is not completed."""
    rows = SettlementImport.objects.filter(gateway=like.gateway, source=like.source, fingerprint=like.fingerprint)
    if like.source == ReportSource.API:
        rows = rows.exclude(status=ImportStatus.COMPLETED)
    return rows.first()


def get_settlement_import(import_id: UUID) -> SettlementImport:
    """Return an import that exists."""
    return SettlementImport.objects.get(pk=import_id)


def get_settlement(settlement_id: UUID) -> Settlement:
    """
    Return a settlement.

    :raises SettlementNotFound: if there is none
    """
    settlement = Settlement.objects.filter(pk=settlement_id).first()
    if settlement is None:
        raise SettlementNotFound
    return settlement


def list_settlement_lines(settlement_id: UUID) -> QuerySet[SettlementLine]:
    """Return the lines of a settlement in the order in which they were reported."""
    return SettlementLine.objects.filter(settlement_id=settlement_id).order_by("pk")


def list_exceptions(*, is_open: bool | None = None, reasons: Collection[str] = ()) -> QuerySet[ReconciliationException]:
    """Return the exceptions of reconciliation, newest first; only those that are open, or resolved, if it is said."""
    rows = ReconciliationException.objects.select_related("owner", "settlement")
    if is_open is not None:
        rows = rows.filter(resolved_at__isnull=is_open)
    if reasons:
        rows = rows.filter(reason__in=reasons)
    return rows.order_by("-opened_at", "-pk")


def list_missed_in(settlement_id: UUID, *, part: int) -> list[UUID]:
    """Return the open exceptions about payments that were missed and have come in a part of a settlement."""
    rows = ReconciliationException.objects.filter(
        reason=ExceptionReason.MISSING_LINE,
        resolved_at__isnull=True,
        attempt__in=SettlementLine.objects.filter(settlement_id=settlement_id, part=part, attempt__isnull=False).values(
            "attempt"
        ),
    )
    return list(rows.order_by("pk").values_list("pk", flat=True))


def find_open_sum_mismatch(settlement_id: UUID) -> UUID | None:
    """Return the open exception about the sum of a settlement, or None."""
    rows = ReconciliationException.objects.filter(
        settlement_id=settlement_id, reason=ExceptionReason.SUM_MISMATCH, resolved_at__isnull=True
    )
    return rows.values_list("pk", flat=True).first()


def sum_held_beside_lines(settlement_id: UUID) -> int:
    """Return what a settlement's exceptions say (paise, debit positive) of money that no line of it brought."""
    rows = ReconciliationException.objects.filter(settlement_id=settlement_id, line__isnull=True)
    return rows.exclude(resolution=Resolution.ARRIVED).aggregate(total=Sum("held_amount"))["total"] or 0


def latest_settled_at(gateway: str) -> datetime | None:
    """Return when the latest settlement that we know was made, or None."""
    rows = Settlement.objects.filter(gateway=gateway).order_by("-settled_at")
    return rows.values_list("settled_at", flat=True).first()


# What is open --------------------------------------------------------------------------------------------------------


def list_payments_to_reconcile(since: datetime | None) -> list[UUID]:
    """Return the payments that are under way or still looked after, and those begun since an instant; oldest first."""
    wanted = Q(status__in=LIVE) | Q(next_check_at__isnull=False)
    if since is not None:
        wanted |= Q(created_at__gte=since)
    return list(Payment.objects.filter(wanted).order_by("created_at", "pk").values_list("pk", flat=True))


def list_refunds_to_reconcile(since: datetime | None) -> list[UUID]:
    """Return the refunds whose outcome nobody knows yet, and those asked for since an instant; oldest first."""
    wanted = Q(status__in=OPEN_REFUNDS)
    if since is not None:
        wanted |= Q(created_at__gte=since, gateway_refund_id__isnull=False)
    return list(Refund.objects.filter(wanted).order_by("created_at", "pk").values_list("pk", flat=True))


def list_settlements_to_reconcile(since: datetime | None) -> list[UUID]:
    """Return the settlements whose transfer we do not know, and those made since an instant; oldest first."""
    wanted = Q(amount__isnull=True)
    if since is not None:
        wanted |= Q(settled_at__gte=since)
    return list(Settlement.objects.filter(wanted).order_by("settled_at", "pk").values_list("pk", flat=True))


def count_open_exceptions() -> dict[str, int]:
    """Return how many exceptions of each reason are open."""
    rows = ReconciliationException.objects.filter(resolved_at__isnull=True).values_list("reason")
    return dict(rows.annotate(count=Count("pk")).order_by("reason"))


def captured_amounts() -> dict[str, int | None]:
    """Return what was captured (paise), by the gateway's id."""
    rows = PaymentAttempt.objects.filter(status=AttemptStatus.CAPTURED)
    return dict(rows.values_list("gateway_payment_id", "amount"))


def processed_refund_amounts() -> dict[str, int | None]:
    """Return what the gateway gave back (paise), by its id."""
    rows = Refund.objects.filter(status=RefundStatus.PROCESSED, gateway_refund_id__isnull=False)
    return {str(gateway_id): amount for gateway_id, amount in rows.values_list("gateway_refund_id", "amount")}


def settlement_amounts() -> dict[str, int | None]:
    """Return what was transferred (paise; None where we do not know), by the gateway's id."""
    return dict(Settlement.objects.values_list("gateway_settlement_id", "amount"))
