"""A service that a test calls is the outermost of its transaction, although the test runs in one that is rolled back."""

from django.db import connections, transaction
from django.db.transaction import Atomic


def open_around_services() -> Atomic:
    """Return a transaction to run services in that is none to them: what each of them commits is a savepoint of it."""
    around = transaction.atomic()
    around._from_testcase = True  # as Django marks that of a test
    return around


def install() -> None:
    """
    Give the outermost service of a test a savepoint, which is to it what a transaction is outside of tests.

    What it calls joins it, as in the product: an error that it catches without a savepoint of its own is found out here.
    """
    enter = Atomic.__enter__

    def enter_as_outermost(self: Atomic) -> None:
        blocks = connections[self.using or "default"].atomic_blocks
        if not self.savepoint and blocks and all(block._from_testcase for block in blocks):
            self.savepoint = True
        enter(self)

    Atomic.__enter__ = enter_as_outermost  # type: ignore[method-assign]
