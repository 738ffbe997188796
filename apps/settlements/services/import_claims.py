"""The claim of a worker on a settlement report, so that no two read the same one at once."""

import time
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from apps.core import clock
from apps.core.errors import Conflict
from apps.core.external_calls import ClaimQuerySet
from apps.settlements.models import BankStatementImport, SettlementImport
from apps.settlements.states import ImportStatus

#: A claim that no batch extends in this time expires: its worker has crashed, and the relay has an attempt left for it.
CLAIM_TTL = timedelta(minutes=4)
#: Between two batches a claim is extended if it is older than this: with the longest call of a gateway it stays below CLAIM_TTL.
_RENEW_AFTER_SECONDS = 30.0

#: A report of settlements, or a bank's statement.
R = TypeVar("R", SettlementImport, BankStatementImport)


class ImportInProgress(Conflict):
    """Another process is importing the same report. Try again in a few minutes."""

    message = "This report is already being imported. Try again in a few minutes."


class ImportClaim(Generic[R]):
    """The claim of one run on one import; each batch extends it."""

    def __init__(self, report: R, *, now: datetime) -> None:
        self.report: R = report
        self._now = now
        self._began = self._extended = time.monotonic()

    def take(self) -> bool:
        """
        Claim the report, and return whether it still has to be imported.

        :raises ImportInProgress: if another worker is importing it
        """
        rows = self._rows().exclude(status=ImportStatus.COMPLETED)
        is_claimed = rows.claim(now=self._now, ttl=CLAIM_TTL)
        self.report.refresh_from_db()
        if not is_claimed and self.report.status != ImportStatus.COMPLETED:
            raise ImportInProgress
        return is_claimed

    def extend(self, **fields: int) -> None:
        """Extend the claim from the present moment, and save how far the import has come."""
        self._extended = time.monotonic()
        elapsed = timedelta(seconds=self._extended - self._began)
        self._rows().update(claimed_until=clock.to_milliseconds(self._now + elapsed) + CLAIM_TTL, **fields)

    def renew(self) -> None:
        """Extend the claim if that was not done for a while: many small steps need no statement each."""
        if time.monotonic() - self._extended > _RENEW_AFTER_SECONDS:
            self.extend()

    def _rows(self) -> ClaimQuerySet[Any]:
        rows: ClaimQuerySet[Any] = type(self.report).objects.filter(pk=self.report.pk)
        return rows
