"""Queries of settlements, their imports, and the exceptions about them."""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from django.db.models import Count, Max, Min, Q, QuerySet, Sum

from apps.core import clock
from apps.core.models import Subject
from apps.core.search import SearchTerm, any_of
from apps.ledger import selectors as ledger
from apps.ledger.states import ExceptionReason, Resolution
from apps.payments import selectors as payments
from apps.settlements.gateways.report_formats import KnownFact
from apps.settlements.models import (
    BankLine,
    BankLineNotFound,
    BankStatementImport,
    BankStatementNotFound,
    FeeRate,
    FeeRateNotFound,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementNotFound,
)
from apps.settlements.sql import fee_audit, report_lines
from apps.settlements.sql.fee_audit import FeesOfMonth
from apps.settlements.states import BankLineKind, ImportStatus, LineKind, ReportSource, TransferStatus

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException


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


def get_settlement_by_gateway_id(gateway_settlement_id: str) -> Settlement:
    """
    Return a settlement by the gateway's id.

    :raises SettlementNotFound: if there is none
    """
    settlement = Settlement.objects.filter(gateway_settlement_id=gateway_settlement_id).first()
    if settlement is None:
        raise SettlementNotFound
    return settlement


def find_known_facts(*, gateway: str, gateway_ids: Collection[str]) -> dict[str, KnownFact]:
    """Return amount and time of the payments, refunds and settlements that we have stored, by the gateway's id."""
    known = {
        key: KnownFact(amount, at)
        for key, amount, at in payments.list_known_amounts(gateway=gateway, gateway_ids=gateway_ids)
    }
    for key, transferred, settled_at in report_lines.list_known_transfers(gateway=gateway, gateway_ids=gateway_ids):
        known[key] = KnownFact(transferred, settled_at)
    return known


def find_settlement(*, gateway: str, gateway_settlement_id: str) -> Settlement | None:
    """Return a settlement by the gateway's id, or None."""
    return Settlement.objects.filter(gateway=gateway, gateway_settlement_id=gateway_settlement_id).first()


def list_settlement_lines(settlement_id: UUID) -> QuerySet[SettlementLine]:
    """Return the lines of a settlement in the order in which they were reported."""
    return SettlementLine.objects.filter(settlement_id=settlement_id).order_by("pk")


def list_exceptions_explained_by(settlement_id: UUID, *, part: int) -> list[UUID]:
    """Return the open exceptions about missing lines and overdue receivables that a part of a settlement explains."""
    lines = SettlementLine.objects.filter(settlement_id=settlement_id, part=part)
    own = lines.filter(kind__in=(LineKind.PAYMENT, LineKind.REFUND))
    missed = Q(reason=ExceptionReason.MISSING_LINE, entity_id__in=own.values("entity_id"))
    overdue = Q(reason=ExceptionReason.RECEIVABLE_OVERDUE) & (
        Q(attempt_id__in=lines.filter(attempt__isnull=False).values("attempt_id"))
        | Q(attempt_id__in=lines.filter(refund__isnull=False).values("refund__attempt_id"))
    )
    rows = ledger.list_exceptions(is_open=True).filter(missed | overdue)
    return list(rows.order_by("pk").values_list("pk", flat=True))


def is_settlement_imported(gateway: str) -> bool:
    """Test if any settlement of a gateway has been imported."""
    return Settlement.objects.filter(gateway=gateway).exists()


def find_not_imported_exception(gateway: str) -> "ReconciliationException | None":
    """Return the open exception that says that no settlement of a gateway has been imported yet, or None."""
    rows = ledger.list_exceptions(is_open=True, reasons=[ExceptionReason.SETTLEMENTS_NOT_IMPORTED])
    return rows.filter(gateway=gateway).first()


def find_open_sum_mismatch_id(settlement_id: UUID) -> UUID | None:
    """Return the open exception about the sum of a settlement, or None."""
    rows = ledger.list_exceptions(reasons=[ExceptionReason.SUM_MISMATCH]).filter(settlement_id=settlement_id)
    # Resolved ones are filtered here: the planner would use the index of open exceptions and read it from end to end.
    return next(
        (pk for pk, resolved_at in rows.order_by("pk").values_list("pk", "resolved_at") if not resolved_at), None
    )


def list_open_transfer_exceptions(settlement_id: UUID, reason: ExceptionReason) -> list[UUID]:
    """Return the open exceptions of a reason about the transfer of a settlement."""
    rows = ledger.list_exceptions(is_open=True, reasons=[reason])
    return list(rows.filter(settlement_id=settlement_id).order_by("pk").values_list("pk", flat=True))


def list_settlement_ids_of_exceptions(exception_ids: Collection[UUID]) -> set[UUID]:
    """Return the settlements that exceptions hold money of."""
    rows = ledger.list_exceptions().filter(pk__in=exception_ids, settlement_id__isnull=False)
    return {one for one in rows.values_list("settlement_id", flat=True) if one is not None}


def sum_held_outside_lines(settlement_id: UUID) -> int:
    """Return the amount in suspense (paise, debit positive) of a settlement's exceptions without a line."""
    rows = ledger.list_exceptions().filter(settlement_id=settlement_id, line_id__isnull=True)
    return rows.exclude(resolution=Resolution.ARRIVED).aggregate(total=Sum("held_amount"))["total"] or 0


def has_missing_line_exception(entity_id: str) -> bool:
    """Test if there is an exception, open or resolved, about the missing line of an entity."""
    return ledger.list_exceptions(reasons=[ExceptionReason.MISSING_LINE]).filter(entity_id=entity_id).exists()


def latest_settled_at(gateway: str) -> datetime | None:
    """Return the time of the latest known settlement, or None."""
    rows = Settlement.objects.filter(gateway=gateway).order_by("-settled_at")
    return rows.values_list("settled_at", flat=True).first()


def list_settlement_ids_to_reconcile(since: datetime | None, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return the ids of settlements whose amount we do not know, and of those settled since an instant; oldest first."""
    wanted = Q(amount__isnull=True)
    if since is not None:
        wanted |= Q(settled_at__gte=since)
    rows = Settlement.objects.filter(wanted)
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk").values_list("pk", flat=True)[:limit])


def list_days_read(*, first: date) -> set[date]:
    """Return the days since `first` whose report was imported from the API after the day was over."""
    rows = SettlementImport.objects.filter(source=ReportSource.API, status=ImportStatus.COMPLETED, day__gte=first)
    read = rows.values_list("day", "completed_at").order_by("day")
    return {day for day, at in read if day is not None and at is not None and clock.ist_date(at) > day}


def settlements_by_gateway_id() -> dict[str, str]:
    """Return the transferred amounts of settlements, by the gateway's id."""
    rows = Settlement.objects.values_list("gateway_settlement_id", "amount")
    return {key: f"transferred {'unknown' if amount is None else amount}" for key, amount in rows}


def search_settlements(term: SearchTerm) -> "QuerySet[Settlement]":
    """Return the settlements that match the gateway's id, or the UTR on the bank's statement; newest first."""
    if not term.reference:
        return Settlement.objects.none()
    keys = any_of(
        Settlement.objects.filter(gateway_settlement_id=term.reference).values_list("pk"),
        Settlement.objects.filter(utr__in=term.case_variants).exclude(utr="").values_list("pk"),
    )
    return Settlement.objects.filter(pk__in=keys).order_by("-settled_at", "-id")


def list_settlements_of_references(references: Collection[str]) -> list[Settlement]:
    """Return the settlements whose UTR is one of these references, oldest first."""
    return list(Settlement.objects.filter(utr__in=references).exclude(utr="").order_by("pk"))


def list_settlements_in_transit(amount: int) -> QuerySet[Settlement]:
    """Return the settlements in transit that a bank's line of an amount (paise) may be assigned to, newest first."""
    by_amount = Q(amount=amount) | Q(amount__isnull=True, lines_amount=amount)
    rows = Settlement.objects.filter(by_amount, transfer_status=TransferStatus.IN_TRANSIT)
    return rows.order_by("-settled_at", "-id")


def list_unexplained_credits(*, limit: int) -> list[BankLine]:
    """Return the credits of bank statements that wait in suspense without an explanation, oldest first."""
    rows = BankLine.objects.filter(
        kind=BankLineKind.SUSPENSE,
        amount__gt=0,
        exception__reason=ExceptionReason.BANK_LINE_UNKNOWN,
        exception__resolved_at__isnull=True,
    )
    return list(rows.order_by("pk")[:limit])


def get_bank_statement(statement_id: UUID) -> BankStatementImport:
    """
    Return an import of a bank's statement.

    :raises BankStatementNotFound: if there is none
    """
    found = BankStatementImport.objects.filter(pk=statement_id).first()
    if found is None:
        raise BankStatementNotFound
    return found


def list_bank_lines(statement_id: UUID) -> QuerySet[BankLine]:
    """Return the lines that an import of a bank's statement added, in the order of the file."""
    return BankLine.objects.filter(report_id=statement_id).order_by("pk")


def list_statement_periods() -> list[tuple[date, date]]:
    """Return the first and the last day on statements, by account; only of accounts to which settlements have come, if any."""
    rows = BankLine.objects.order_by("account").values_list("account")
    periods = list(
        rows.annotate(first=Min("booked_on"), last=Max("booked_on"), brought=Count("settlement")).values_list(
            "first", "last", "brought"
        )
    )
    is_any_known = any(brought for _, _, brought in periods)
    return [(first, last) for first, last, brought in periods if brought or not is_any_known]


def list_overdue_transfers(*, first: date, last: date, limit: int) -> list[Settlement]:
    """Return the settlements of some days, in India, that are in transit and have no open exception about that."""
    since, until = (datetime.combine(day, time(), tzinfo=clock.IST) for day in (first, last + timedelta(days=1)))
    known = ledger.list_exceptions(is_open=True, reasons=[ExceptionReason.TRANSFER_OVERDUE])
    rows = Settlement.objects.filter(
        transfer_status=TransferStatus.IN_TRANSIT, settled_at__gte=since, settled_at__lt=until
    )
    return list(
        rows.exclude(pk__in=known.filter(settlement_id__isnull=False).values("settlement_id")).order_by("pk")[:limit]
    )


def list_bank_lines_in_suspense(statement_id: UUID) -> QuerySet[BankLine]:
    """Return the lines that an import of a bank's statement added and nothing explained yet, in the order of the file."""
    return list_bank_lines(statement_id).filter(kind=BankLineKind.SUSPENSE)


def get_bank_line(line_id: UUID) -> BankLine:
    """
    Return a line of a bank's statement.

    :raises BankLineNotFound: if there is none
    """
    line = BankLine.objects.filter(pk=line_id).first()
    if line is None:
        raise BankLineNotFound
    return line


def find_bank_line_of_exception(exception_id: UUID) -> BankLine | None:
    """Return the line of a bank's statement that an exception holds in suspense, or None."""
    return BankLine.objects.filter(exception_id=exception_id).first()


def has_bank_line(fingerprint: str) -> bool:
    """Test if there is a line of a bank's statement with a fingerprint."""
    return BankLine.objects.filter(fingerprint=fingerprint).exists()


def list_known_fingerprints(fingerprints: Collection[str]) -> set[str]:
    """Return those of some fingerprints that lines of bank statements have."""
    return set(BankLine.objects.filter(fingerprint__in=fingerprints).values_list("fingerprint", flat=True))


def is_refund_on_statement(refund_id: UUID) -> bool:
    """Test if a line of a bank's statement shows the transfer of a refund."""
    return BankLine.objects.filter(refund_id=refund_id).exists()


def find_other_layout(*, account: str, layout: str, first: date, last: date) -> str:
    """Return another layout from which lines of an account's days were imported, or an empty text."""
    rows = BankLine.objects.filter(account=account, booked_on__gte=first, booked_on__lte=last)
    return rows.exclude(report__layout=layout).values_list("report__layout", flat=True).order_by("pk").first() or ""


def list_bank_accounts() -> list[str]:
    """Return the numbers of accounts that imported statements named, the oldest first; of interrupted imports those of their lines."""
    completed = BankStatementImport.objects.filter(status=ImportStatus.COMPLETED).order_by("pk")
    broken_off = BankLine.objects.exclude(report__status=ImportStatus.COMPLETED).order_by("account")
    numbers = [
        *completed.values_list("account", flat=True), *broken_off.values_list("account", flat=True).distinct(),
    ]  # fmt: skip
    return list(dict.fromkeys(numbers))


def find_bank_statement_import(fingerprint: str) -> BankStatementImport | None:
    """Return the import of the file with a hash, or None."""
    return BankStatementImport.objects.filter(fingerprint=fingerprint).first()


def list_rows_after(model: type[Subject], after: UUID | None, *, limit: int) -> list[Subject]:
    """Return a page of all settlements or imports, oldest first, after the row with the id `after`."""
    rows = model._default_manager.all()
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk")[:limit])


def get_fee_rate(rate_id: UUID) -> FeeRate:
    """
    Return a row of the rate card.

    :raises FeeRateNotFound: if there is none
    """
    rate = FeeRate.objects.filter(pk=rate_id).first()
    if rate is None:
        raise FeeRateNotFound
    return rate


def list_fee_rates(*, gateway: str, on: date | None = None) -> list[FeeRate]:
    """Return the rows of the rate card that are neither corrected nor withdrawn; with `on`, only those whose period has that day."""
    key = fee_audit.KEY.split(", ")
    rows = FeeRate.objects.filter(gateway=gateway).order_by(*key, "-pk").distinct(*key)
    return [
        row
        for row in rows
        if not row.is_withdrawn
        and (on is None or (row.valid_from <= on and (row.valid_to is None or on <= row.valid_to)))
    ]


def list_fee_rate_ids_in_force() -> set[UUID]:
    """Return the rows of the rate card that are neither corrected nor withdrawn, whether or not their period has today."""
    key = fee_audit.KEY.split(", ")
    latest = FeeRate.objects.order_by(*key, "-pk").distinct(*key).values_list("pk", "is_withdrawn")
    return {pk for pk, is_withdrawn in latest if not is_withdrawn}


def has_fee_rates(gateway: str) -> bool:
    """Test if the rate card of a gateway has any row. Withdrawn ones count, because what they judged must be judged again."""
    return FeeRate.objects.filter(gateway=gateway).exists()


def list_fees_by_month(*, first_month: date | None = None) -> list[FeesOfMonth]:
    """Return what the fee audit found by month and method, newest month first."""
    return fee_audit.list_fees_by_month(first_month=first_month)


#: The rows of this app that record events, by kind.
SUBJECTS: dict[str, type[Subject]] = {
    "settlements": Settlement,
    "imports": SettlementImport,
    "fee rates": FeeRate,
    "bank statements": BankStatementImport,
    "bank lines": BankLine,
}
