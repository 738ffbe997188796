"""Reads of registrations and rates."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core.errors import Conflict
from apps.tax.models import Registration, RegistrationNotFound, TaxRate


class NoRegistration(Conflict):
    message = "The shop has no default GST registration, so that nothing can be sold yet."


class NoRateForTaxClass(Conflict):
    message = "There is no GST rate for the tax class {0} on {1}."


def get_default_registration() -> Registration:
    """
    Return the registration that the shop sells under.

    :raises NoRegistration: if none is active and the default
    """
    found = Registration.objects.filter(is_default=True, is_active=True).first()
    if found is None:
        raise NoRegistration
    return found


def get_registration(registration_id: UUID) -> Registration:
    """
    Return a registration of the seller.

    :raises RegistrationNotFound: if there is none
    """
    found = Registration.objects.filter(pk=registration_id).first()
    if found is None:
        raise RegistrationNotFound
    return found


def list_registrations() -> QuerySet[Registration]:
    """Return the seller's registrations, the default one first."""
    return Registration.objects.order_by("-is_default", "gstin")


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
    for tax_class in sorted(wanted - rates.keys()):
        raise NoRateForTaxClass(tax_class, on.isoformat())
    return rates


def is_tax_class(tax_class: str, *, on: date) -> bool:
    """Test if a tax class has a rate on a day of the Indian calendar."""
    return TaxRate.objects.filter(_covers(on), tax_class=tax_class).exists()


def _covers(day: date) -> Q:
    return Q(valid_from__lte=day) & (Q(valid_to__isnull=True) | Q(valid_to__gte=day))
