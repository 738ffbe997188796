"""
How exceptions are resolved, by their reason: the app that opens a kind of exception registers how it ends.

The default is for a fact that was not posted: nothing is owed or in suspense, so a resolution posts nothing.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apps.ledger.models import ReconciliationException
    from apps.ledger.states import Resolution


class ExceptionResolver:
    """What the resolution of exceptions of some reasons locks, checks and posts. Amounts in paise."""

    def lock(self) -> None:
        """Take the locks that come before the exception's own."""

    def owed_amount(self, exception: "ReconciliationException") -> int:
        """Return the receivable that an open exception is about, or 0 if it is about none."""
        return 0

    def check(self, exception: "ReconciliationException", resolution: "Resolution", *, owed: int) -> None:
        """
        Check that staff may resolve an exception so.

        :raises Conflict: of the app that registers, if they may not
        """

    def entries(self, exception: "ReconciliationException", resolution: "Resolution", *, owed: int) -> dict[str, int]:
        """Return the entries, by account, that a resolution posts; none if no money is in suspense or owed."""
        return {}


_DEFAULT = ExceptionResolver()
_resolvers: dict[str, ExceptionResolver] = {}


def register_resolver(resolver: ExceptionResolver, *, reasons: Iterable[str]) -> None:
    """Register how exceptions of some reasons are resolved; called when the app that opens them starts."""
    _resolvers.update(dict.fromkeys(reasons, resolver))


def get_resolver(reason: str) -> ExceptionResolver:
    """Return how exceptions of a reason are resolved."""
    return _resolvers.get(reason, _DEFAULT)
