"""Reads of registrations and rates."""

from collections.abc import Iterable, Mapping
from datetime import date
from uuid import UUID

import structlog
from django.db.models import Q, QuerySet

from apps.core.dates import format_day
from apps.core.errors import Conflict, Invalid
from apps.core.rows import find_by
from apps.tax import rules
from apps.tax.models import Registration, RegistrationNotFound, TaxRate

log = structlog.get_logger(__name__)


class NoDefaultRegistration(Conflict):
    """The shop has no default GST registration, so it cannot sell. Staff add one in the back office."""

    message = "The shop has no default GST registration, so nothing can be sold yet."


class NoRateForTaxClass(Conflict):
    """The tax class has no GST rate on that day. Staff enter one."""

    message = "There is no GST rate for the tax class {0} on {1}."


class PinStateMismatch(Invalid):
    """The PIN code belongs to another state. Correct the PIN code or the state."""

    message = "PIN code {0} belongs to {1}, not to {2}. Correct the PIN code or the state."


class PinStateAmbiguous(PinStateMismatch):
    """Places of several states share the PIN code. Send the two-digit code of the state."""

    code = PinStateMismatch.code
    message = "PIN code {0} belongs to {1}. Enter the two-digit code of the state."


class PinStateUnknown(PinStateMismatch):
    """The PIN code does not identify a state. Send the two-digit code of the state."""

    code = PinStateMismatch.code
    message = "PIN code {0} does not identify a state. Enter the two-digit code of the state."


def get_default_registration() -> Registration:
    """
    Return the registration that the shop sells under.

    :raises NoDefaultRegistration: if none is active and the default
    """
    found = Registration.objects.filter(is_default=True, is_active=True).first()
    if found is None:
        raise NoDefaultRegistration
    return found


def get_registration(registration_id: UUID) -> Registration:
    """
    Return a registration of the seller.

    :raises RegistrationNotFound: if there is none
    """
    found = find_by(Registration, id=registration_id)
    if found is None:
        raise RegistrationNotFound
    return found


def is_own_gstin(gstin: str) -> bool:
    """Test if a GSTIN is one that the shop sells under, or has sold under."""
    return Registration.objects.filter(gstin=gstin).exists()


def get_state_of_pin(*, pin: str, state: str = "") -> str:
    """
    Return the state of an Indian address: the one that was given, if the PIN code can lie there, else the PIN code's own.

    A PIN code whose prefix is in no range is accepted in any state, with a warning in the log. The army post (9) serves every state.

    :raises PinStateMismatch: if the PIN code belongs to other states, or none was given and it does not have exactly one
    """
    states = rules.states_of_pin(pin)
    if not state:
        if len(states) == 1:
            return states[0]
        details = [{"param": "state", "code": "state_required", "states": list(states)}]
        refusal = PinStateAmbiguous if states else PinStateUnknown
        raise refusal(pin, _join_state_names(states, "or"), param="state", details=details)
    if not rules.is_pin_of_state(pin, state):
        details = [{"param": "pin", "code": "pin_of_another_state", "states": list(states)}]
        raise PinStateMismatch(
            pin, _join_state_names(states, "and"), _join_state_names([state], ""), param="pin", details=details
        )
    if not rules.is_known_pin_prefix(pin):
        log.warning("pin_prefix_unknown", prefix=pin[:3], state=state)
    return state


def _join_state_names(states: Iterable[str], word: str) -> str:
    names = [f"{rules.state_name(state)} ({state})" for state in states]
    return " ".join([", ".join(names[:-1]), word, names[-1]]) if len(names) > 1 else "".join(names)


def list_rates(*, on: date) -> QuerySet[TaxRate]:
    """Return the rate of every tax class on a day of the Indian calendar."""
    return TaxRate.objects.filter(_covers(on)).order_by("tax_class", "pk")


def get_rates(*, tax_classes: Iterable[str], on: date) -> dict[str, int]:
    """
    Return the rates of tax classes on a day of the Indian calendar, in basis points.

    :raises NoRateForTaxClass: if one has none on that day
    """
    wanted = set(tax_classes)
    rates = dict(TaxRate.objects.filter(_covers(on), tax_class__in=wanted).values_list("tax_class", "rate"))
    require_rates({tax_class: rates.get(tax_class) for tax_class in wanted}, on=on)
    return rates


def require_rates(rates: Mapping[str, int | None], *, on: date) -> None:
    """
    Refuse tax classes of which one has no rate on a day of the Indian calendar.

    :raises NoRateForTaxClass: for the first of them, by name
    """
    for tax_class in sorted(tax_class for tax_class, rate in rates.items() if rate is None):
        raise NoRateForTaxClass(tax_class, format_day(on))


def is_tax_class(tax_class: str, *, on: date) -> bool:
    """Test if a tax class has a rate on a day of the Indian calendar."""
    return TaxRate.objects.filter(_covers(on), tax_class=tax_class).exists()


def _covers(day: date) -> Q:
    return Q(valid_from__lte=day) & (Q(valid_to__isnull=True) | Q(valid_to__gte=day))
