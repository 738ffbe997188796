"""Installation -> reference data: what must exist before the first order. Each step may run at every release."""

from collections.abc import Callable

from apps.accounts.services import set_up_reference_data as set_up_staff_roles
from apps.catalog.services import set_up_reference_data as set_up_locations
from apps.invoicing.services import set_up_reference_data as open_accounts_of_invoicing
from apps.ledger.services import set_up_reference_data as open_accounts_of_the_ledger
from apps.payments.services import set_up_reference_data as open_accounts_of_payments
from apps.settlements.services import set_up_reference_data as open_accounts_of_settlements
from apps.tax.services import set_up_reference_data as set_up_tax_rates

STEPS: tuple[Callable[..., object], ...] = (
    set_up_staff_roles,
    set_up_tax_rates,
    set_up_locations,
    open_accounts_of_the_ledger,
    open_accounts_of_payments,
    open_accounts_of_invoicing,
    open_accounts_of_settlements,
)
