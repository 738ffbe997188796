"""Two operators at the same moment, each race with its control."""

from datetime import date
from typing import Any

import pytest

from apps.core import clock
from apps.core.events import SYSTEM
from apps.tax import services
from apps.tax.models import Registration, TaxRate
from tests.support.lock_controls import run_amid, with_control

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.race]

PUNE = {
    "gstin": "27AAPFU0939F1ZV", "legal_name": "Bahi Demo Traders LLP", "address_line1": "4 Laxmi Road", "city": "Pune",
    "pin": "411030",
}  # fmt: skip


@with_control
def test_two_rates_of_a_class_do_not_overlap(is_locked: bool) -> None:
    results = run_amid(
        "apps.tax.locks.lock_rates",
        lambda: services.set_rate(
            tax_class="new_class", rate=1800, valid_from=date(2027, 4, 1), actor=SYSTEM, now=clock.now()
        ),
        lambda: services.set_rate(
            tax_class="new_class", rate=500, valid_from=date(2027, 5, 1), actor=SYSTEM, now=clock.now()
        ),
        is_locked=is_locked,
    )

    open_rates = TaxRate.objects.filter(tax_class="new_class", valid_to=None).count()
    assert ([type(result).__name__ for result in results], open_rates) == (
        (["TaxRate", "TaxRate"], 1) if is_locked else (["TaxRateOverlaps", "TaxRate"], 1)
    )


@with_control
def test_a_registration_added_twice_is_there_once(is_locked: bool) -> None:
    def add() -> Any:
        return services.add_registration(**PUNE, now=clock.now())

    results = run_amid("apps.tax.locks.lock_registrations", add, add, is_locked=is_locked)

    # Without the lock the first one has looked before the second one came: the constraint of the table refuses it.
    assert [type(result).__name__ for result in results] == (
        ["Registration", "RegistrationExists"] if is_locked else ["RegistrationExists", "Registration"]
    )
    assert Registration.objects.filter(is_default=True).count() == 1
