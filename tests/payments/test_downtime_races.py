"""Reports of one downtime that arrive at the same moment. With its control."""

import threading
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM, SubjectNotLocked
from apps.payments.models import PaymentDowntime
from apps.payments.services import downtimes
from tests.support.downtimes import later, make_downtime, make_gateway_downtime
from tests.support.lock_controls import without_lock
from tests.support.threads import run_together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

ID = "down_F1Zppa6lcVheSE"


def report(minute: int, **fields: Any) -> Any:
    facts = make_gateway_downtime(id=ID, reported_at=later(minute), **fields)
    return lambda: downtimes.apply_gateway_downtime(facts=facts, actor=SYSTEM, now=clock.now())


def test_of_many_first_reports_one_makes_the_row() -> None:
    results = run_together(*[report(0)] * 6)

    assert [type(result) for result in results] == [PaymentDowntime] * 6
    downtime = PaymentDowntime.objects.get()
    assert (downtime.status, downtime.version) == ("started", 1)


def test_latest_of_many_reports_stands() -> None:
    make_downtime(id=ID)

    results = run_together(
        report(1, severity="medium", status="updated"),
        report(3, severity="low", status="updated"),
        report(2, severity="high", status="updated"),
    )

    assert [type(result) for result in results] == [PaymentDowntime] * 3
    assert PaymentDowntime.objects.get().severity == "low"


def test_control_without_the_lock_two_reports_change_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    make_downtime(id=ID)
    barrier = threading.Barrier(2)
    real = downtimes.rules.downtime_advances

    def meet(**facts: Any) -> bool:
        advances = real(**facts)
        barrier.wait(60)
        return advances

    monkeypatch.setattr(downtimes.rules, "downtime_advances", meet)

    with without_lock("apps.payments.locks.lock_downtime"):
        results = run_together(
            report(1, severity="low", status="updated"), report(2, severity="high", status="updated")
        )

    # Only the version keeps the older report from standing over the newer one.
    assert {type(result) for result in results} == {PaymentDowntime, SubjectNotLocked}
