"""Installation -> reference data: what must exist before the first order. Each step may run at every release."""

from collections.abc import Callable

from apps.accounts.services import set_up_reference_data as set_up_staff_roles
from apps.payments.services import set_up_reference_data as set_up_ledger
from apps.tax.services import set_up_reference_data as set_up_tax_rates

STEPS: tuple[Callable[..., object], ...] = (
    set_up_staff_roles,
    set_up_tax_rates,
    set_up_ledger,
)
