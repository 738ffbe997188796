"""Queries of exceptions."""

from collections.abc import Collection
from uuid import UUID

from django.db.models import Count, QuerySet

from apps.core.search import SearchTerm, any_of
from apps.ledger.models import ReconciliationException, ReconciliationExceptionNotFound


def get_exception(exception_id: UUID) -> ReconciliationException:
    """
    Return an exception.

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
    Return the exceptions, newest first; only open or only resolved ones if `is_open` is given.

    `owner_id` keeps those of one owner, `is_owned=False` those without an owner.
    """
    rows = ReconciliationException.objects.select_related("owner")
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


def count_open_exceptions() -> dict[str, int]:
    """Return the number of open exceptions, by reason."""
    rows = ReconciliationException.objects.filter(resolved_at__isnull=True).values_list("reason")
    return dict(rows.annotate(count=Count("pk")).order_by("reason"))


def list_exceptions_after(after: UUID | None, *, limit: int) -> list[ReconciliationException]:
    """Return a page of all exceptions, oldest first, after the one with the id `after`."""
    rows = ReconciliationException.objects.all()
    if after is not None:
        rows = rows.filter(pk__gt=after)
    return list(rows.order_by("pk")[:limit])


def search_exceptions(term: SearchTerm) -> QuerySet[ReconciliationException]:
    """Return the exceptions that match the gateway's id of their entity; newest first."""
    if not term.reference:
        return ReconciliationException.objects.none()
    keys = any_of(ReconciliationException.objects.filter(entity_id=term.reference).values_list("pk"))
    return ReconciliationException.objects.filter(pk__in=keys).order_by("-opened_at", "-id")
