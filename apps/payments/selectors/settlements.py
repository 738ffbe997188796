"""Reads of settlements and of what did not match."""

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


def find_known_facts(*, gateway: str, gateway_ids: Collection[str]) -> dict[str, KnownFact]:
    """Return what we hold of payments, refunds and settlements, by the gateway's id; those that we do not hold are left out."""
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
    """Return a settlement by the gateway's id, or None if no report has named it."""
    return Settlement.objects.filter(gateway=gateway, gateway_settlement_id=gateway_settlement_id).first()


def list_settlement_lines(settlement_id: UUID) -> QuerySet[SettlementLine]:
    """Return the lines of a settlement in the order in which they were reported."""
    return SettlementLine.objects.filter(settlement_id=settlement_id).order_by("pk")


def get_exception(exception_id: UUID) -> ReconciliationException:
    """
    Return an exception of reconciliation.

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
    Return the exceptions of reconciliation, newest first; only those that are open, or resolved, if it is said.

    `owner_id` leaves those that somebody looks after, `is_owned=False` those that nobody does.
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
    """Return the exception, open or resolved, about a fact of a gateway, or None."""
    return ReconciliationException.objects.filter(gateway=gateway, fingerprint=fingerprint).first()


def list_exceptions_explained_by(settlement_id: UUID, *, part: int) -> list[UUID]:
    """
    Return the open exceptions that a part of a settlement explains: its payments and refunds were missed, or overdue.
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
    """Return whether any settlement of a gateway has been imported."""
    return Settlement.objects.filter(gateway=gateway).exists()


def find_not_imported_exception(gateway: str) -> ReconciliationException | None:
    """Return the open exception that says that no settlement of a gateway has been imported yet, or None."""
    rows = ReconciliationException.objects.filter(gateway=gateway, resolved_at__isnull=True)
    return rows.filter(reason=ExceptionReason.SETTLEMENTS_NOT_IMPORTED).first()


def find_open_sum_mismatch(settlement_id: UUID) -> UUID | None:
    """Return the open exception about the sum of a settlement, or None."""
    rows = ReconciliationException.objects.filter(settlement_id=settlement_id, reason=ExceptionReason.SUM_MISMATCH)
    # The resolved ones are left out here: the index of open exceptions would fit the question, and be read from end to end.
    return next(
        (pk for pk, resolved_at in rows.order_by("pk").values_list("pk", "resolved_at") if not resolved_at), None
    )


def sum_held_outside_lines(settlement_id: UUID) -> int:
    """Return what a settlement's exceptions say (paise, debit positive) of money that no line of it brought."""
    rows = ReconciliationException.objects.filter(settlement_id=settlement_id, line__isnull=True)
    return rows.exclude(resolution=Resolution.ARRIVED).aggregate(total=Sum("held_amount"))["total"] or 0


def has_missing_line_exception(entity_id: str) -> bool:
    """Test if there is an exception, open or not, about a line that should have come."""
    rows = ReconciliationException.objects.filter(entity_id=entity_id, reason=ExceptionReason.MISSING_LINE)
    return rows.exists()


def latest_settled_at(gateway: str) -> datetime | None:
    """Return when the latest settlement that we know was made, or None."""
    rows = Settlement.objects.filter(gateway=gateway).order_by("-settled_at")
    return rows.values_list("settled_at", flat=True).first()


def count_open_exceptions() -> dict[str, int]:
    """Return how many exceptions of each reason are open."""
    rows = ReconciliationException.objects.filter(resolved_at__isnull=True).values_list("reason")
    return dict(rows.annotate(count=Count("pk")).order_by("reason"))
