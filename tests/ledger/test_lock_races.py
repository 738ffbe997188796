"""Two members of staff who resolve one exception at the same moment. With its control."""

from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.ledger import services
from tests.factories.payments import make_exception
from tests.support.lock_controls import run_amid, with_control

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]


@with_control
def test_an_exception_is_resolved_by_one_of_two(reference_data: None, is_locked: bool) -> None:
    exception = make_exception()

    def resolve(resolution: str) -> Any:
        return services.resolve_exception(
            exception_id=exception.pk, resolution=resolution, note="Explained.", actor=SYSTEM, now=clock.now()
        )

    results = run_amid(
        "apps.ledger.locks.lock_exception",
        lambda: resolve("noted"),
        lambda: resolve("written_off"),
        is_locked=is_locked,
    )

    exception.refresh_from_db()
    # Without the lock both have found it open: only its version keeps the first decision from standing over the second.
    assert ([type(result).__name__ for result in results], exception.resolution) == (
        (["ReconciliationException", "ExceptionAlreadyResolved"], "noted")
        if is_locked
        else (["SubjectNotLocked", "ReconciliationException"], "written_off")
    )
