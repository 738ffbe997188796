"""Queries of settlements and of reconciliation exceptions."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Q, QuerySet, Sum

from apps.payments.gateways.report_formats import KnownFact
from apps.payments.models import (
    PaymentAttempt,
    ReconciliationException,
    ReconciliationExceptionNotFound,
    Refund,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementNotFound,
)
from apps.payments.states import (
    ExceptionReason,
    ImportStatus,
    LineKind,
    ReportSource,
    Resolution,
)


def find_settlement_import(like: SettlementImport) -> SettlementImport | None:
    """Return the existing import of the same report; for a day's report only one that is not completed, or None."""
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


def find_known_facts(*, gateway: str, gateway_ids: Collection[str]) -> dict[str, KnownFact]:
    """Return amount and time of the payments, refunds and settlements that we have stored, by the gateway's id."""
    attempts = PaymentAttempt.objects.filter(gateway=gateway, gateway_payment_id__in=gateway_ids)
    refunds = Refund.objects.filter(attempt__gateway=gateway, gateway_refund_id__in=gateway_ids)
    settlements = Settlement.objects.filter(gateway=gateway, gateway_settlement_id__in=gateway_ids)
    known: dict[str, KnownFact] = {}
    for key, amount, captured_at, made_at in attempts.values_list(
        "gateway_payment_id", "amount", "captured_at", "created_at"
    ):
        known[key] = KnownFact(amount, captured_at or made_at)
    for refund_id, amount, made_at in refunds.values_list("gateway_refund_id", "amount", "created_at"):
        known[str(refund_id)] = KnownFact(amount, made_at)
    for key, transferred, settled_at in settlements.values_list("gateway_settlement_id", "amount", "settled_at"):
        known[key] = KnownFact(transferred, settled_at)
    return known


def find_settlement(*, gateway: str, gateway_settlement_id: str) -> Settlement | None:
    """Return a settlement by the gateway's id, or None."""
    return Settlement.objects.filter(gateway=gateway, gateway_settlement_id=gateway_settlement_id).first()


def list_settlement_lines(settlement_id: UUID) -> QuerySet[SettlementLine]:
    """Return the lines of a settlement in the order in which they were reported."""
    return SettlementLine.objects.filter(settlement_id=settlement_id).order_by("pk")


def get_exception(exception_id: UUID) -> ReconciliationException:
    """
    Return a reconciliation exception.

    :raises ReconciliationExceptionNotFound: if there is none
    """
    exception = ReconciliationException.objects.filter(pk=exception_id).first()
    if exception is None:
        raise ReconciliationExceptionNotFound
    return exception


def list_exceptions(
    *, is_open: bool | None = None, reasons: Collection[str] = (), owner_id: UUID | None = None, is_owned: bool = True
) -> QuerySet[ReconciliationException]:
    """
    Return the reconciliation exceptions, newest first; only open or only resolved ones if `is_open` is given.

    `owner_id` keeps those of one owner, `is_owned=False` those without an owner.
    """
    rows = ReconciliationException.objects.select_related("owner", "settlement")
    if is_open is not None:
        rows = rows.filter(resolved_at__isnull=is_open)
    if reasons:
        rows = rows.filter(reason__in=reasons)
    if owner_id is not None:
        rows = rows.filter(owner_id=owner_id)
    if not is_owned:
        rows = rows.filter(owner_id__isnull=True)
    return rows.order_by("-opened_at", "-pk")


def find_exception_of_fact(*, gateway: str, fingerprint: str) -> ReconciliationException | None:
    """Return the exception with a fingerprint, open or resolved, or None."""
    return ReconciliationException.objects.filter(gateway=gateway, fingerprint=fingerprint).first()


def list_exceptions_explained_by(settlement_id: UUID, *, part: int) -> list[UUID]:
    """
    Return the open exceptions about missing lines and overdue receivables that a part of a settlement explains.
    """
    lines = SettlementLine.objects.filter(settlement_id=settlement_id, part=part)
    own = lines.filter(kind__in=(LineKind.PAYMENT, LineKind.REFUND))
    missed = Q(reason=ExceptionReason.MISSING_LINE, entity_id__in=own.values("entity_id"))
    overdue = Q(reason=ExceptionReason.RECEIVABLE_OVERDUE) & (
        Q(attempt_id__in=lines.filter(attempt__isnull=False).values("attempt_id"))
        | Q(attempt_id__in=lines.filter(refund__isnull=False).values("refund__attempt_id"))
    )
    rows = ReconciliationException.objects.filter(missed | overdue, resolved_at__isnull=True)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def is_settlement_imported(gateway: str) -> bool:
    """Test if any settlement of a gateway has been imported."""
    return Settlement.objects.filter(gateway=gateway).exists()


def find_not_imported_exception(gateway: str) -> ReconciliationException | None:
    """Return the open exception that says that no settlement of a gateway has been imported yet, or None."""
    rows = ReconciliationException.objects.filter(gateway=gateway, resolved_at__isnull=True)
    return rows.filter(reason=ExceptionReason.SETTLEMENTS_NOT_IMPORTED).first()


def find_open_sum_mismatch(settlement_id: UUID) -> UUID | None:
    """Return the open exception about the sum of a settlement, or None."""
    rows = ReconciliationException.objects.filter(settlement_id=settlement_id, reason=ExceptionReason.SUM_MISMATCH)
    # Resolved ones are filtered here: the planner would use the index of open exceptions and read it from end to end.
    return next(
        (pk for pk, resolved_at in rows.order_by("pk").values_list("pk", "resolved_at") if not resolved_at), None
    )


def sum_held_outside_lines(settlement_id: UUID) -> int:
    """Return the amount in suspense (paise, debit positive) of a settlement's exceptions without a line."""
    rows = ReconciliationException.objects.filter(settlement_id=settlement_id, line__isnull=True)
    return rows.exclude(resolution=Resolution.ARRIVED).aggregate(total=Sum("held_amount"))["total"] or 0


def has_missing_line_exception(entity_id: str) -> bool:
    """Test if there is an exception, open or resolved, about the missing line of an entity."""
    rows = ReconciliationException.objects.filter(entity_id=entity_id, reason=ExceptionReason.MISSING_LINE)
    return rows.exists()


def latest_settled_at(gateway: str) -> datetime | None:
    """Return the time of the latest known settlement, or None."""
    rows = Settlement.objects.filter(gateway=gateway).order_by("-settled_at")
    return rows.values_list("settled_at", flat=True).first()


def count_open_exceptions() -> dict[str, int]:
    """Return the number of open exceptions, by reason."""
    rows = ReconciliationException.objects.filter(resolved_at__isnull=True).values_list("reason")
    return dict(rows.annotate(count=Count("pk")).order_by("reason"))
