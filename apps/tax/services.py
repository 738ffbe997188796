"""Everything that changes registrations and rates."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog

from apps.core.dates import format_day
from apps.core.errors import Conflict, Invalid
from apps.core.events import SYSTEM, Actor
from apps.core.transactions import transactional
from apps.tax import locks, messages, rules, selectors
from apps.tax.models import Registration, TaxRate

log = structlog.get_logger(__name__)

#: What may change of a registration. Its GSTIN, state and prefix are on documents that were issued.
EDITABLE_REGISTRATION_FIELDS = (
    "legal_name", "trade_name", "address_line1", "address_line2", "city", "pin", "phone", "email",
)  # fmt: skip
_REGISTRATION_TEXTS = {
    "legal_name": rules.NAME_LIMITS,
    "trade_name": rules.NAME_LIMITS,
    "address_line1": rules.ADDRESS_LINE1_LIMITS,
    "address_line2": rules.ADDRESS_LINE2_LIMITS,
    "city": rules.PLACE_LIMITS,
}
_OPTIONAL_TEXTS = frozenset({"trade_name", "address_line2"})


class InvalidGstin(Invalid):
    """The GSTIN is wrong, or of a kind that cannot sell goods. Correct it."""

    message = "{0} is not a GSTIN that goods can be sold under ({1})."


class InvalidPin(Invalid):
    """The PIN code is not an Indian one. Send its six digits."""

    message = "{0} is not an Indian PIN code."


class InvoicePrefixNotAllowed(Invalid):
    """
    The prefix does not fit a number of at most 16 characters, or belongs to another kind of document.

    Choose another one.
    """

    message = (
        "Invoices cannot begin with {0!r}: one to four capitals or digits, no zero first, and not CRN, BOS or ICB."
    )


class InvalidRegistrationText(Invalid):
    """The name or address of the registration does not fit an invoice. Correct the field that `param` names."""

    message = "{0}"


class RegistrationExists(Conflict):
    """The GSTIN is already registered. Use that registration."""

    message = "The GSTIN {0} is already registered."


class RateNotAllowed(Invalid):
    """GST has no such rate for goods of this tax class on that day. Enter one of its rates."""

    message = "GST has no rate of {0:g} % for goods of the tax class {1} on {2}."


class TaxRateOverlaps(Conflict):
    """The tax class has a rate that begins on the same day or later. Let the new one begin after it."""

    message = "The tax class {0} has a rate that begins on {1}. A new one must begin after that day."


@transactional
def set_up_reference_data(*, now: datetime) -> None:
    """
    Bring the dated rates of the tax rules into the table; what an operator has added since stays.

    A rate that the rules end is closed. One that an operator has ended, because the law changed before the next release,
    is not opened again.
    """
    locks.lock_rates()

    stored = {(row.tax_class, row.valid_from): row for row in TaxRate.objects.all()}
    # Those that end come first: a class has one open rate at most.
    for reference in sorted(rules.REFERENCE_RATES, key=lambda one: (one.valid_to is None, one.valid_from)):
        row = stored.get((reference.tax_class, reference.valid_from))
        if row is None:
            _add_reference(reference, now=now)
        elif (row.rate, row.notification) != (reference.rate, reference.notification) or (
            row.valid_to is None and reference.valid_to is not None
        ):
            row.rate, row.notification = reference.rate, reference.notification
            row.valid_to = row.valid_to or reference.valid_to
            row.save(update_fields=["rate", "notification", "valid_to", "updated_at"])


def _add_reference(reference: rules.ReferenceRate, *, now: datetime) -> None:
    TaxRate.objects.create(
        tax_class=reference.tax_class,
        rate=reference.rate,
        valid_from=reference.valid_from,
        valid_to=reference.valid_to,
        notification=reference.notification,
        created_at=now,
    )


@transactional
def set_rate(
    *, tax_class: str, rate: int, valid_from: date, notification: str = "", actor: Actor, now: datetime
) -> TaxRate:
    """
    Let a tax class bear another rate (basis points) from a day of the Indian calendar on, or give a new class its first.

    :raises RateNotAllowed: if no invoice of that day can carry the rate
    :raises TaxRateOverlaps: if the class has a rate that begins on that day or later
    """
    locks.lock_rates()
    latest = TaxRate.objects.filter(tax_class=tax_class).order_by("-valid_from").first()

    if not rules.is_rate_allowed(rate, valid_from, tax_class=tax_class):
        raise RateNotAllowed(rate / 100, tax_class[:40], format_day(valid_from), param="rate")
    if latest is not None and latest.valid_from >= valid_from:
        raise TaxRateOverlaps(tax_class, format_day(latest.valid_from), param="valid_from")

    day_before = valid_from - timedelta(days=1)
    if latest is not None and (latest.valid_to is None or latest.valid_to > day_before):
        latest.valid_to = day_before
        latest.save(update_fields=["valid_to", "updated_at"])
    row = TaxRate.objects.create(
        tax_class=tax_class, rate=rate, valid_from=valid_from, notification=notification, created_at=now
    )

    log.info("tax_rate_set", tax_class=tax_class, rate=rate, valid_from=str(valid_from), actor=str(actor))

    return row


@transactional
def add_registration(
    *,
    gstin: str,
    legal_name: str,
    address_line1: str,
    city: str,
    pin: str,
    trade_name: str = "",
    address_line2: str = "",
    phone: str = "",
    email: str = "",
    invoice_prefix: str = "INV",
    is_default: bool = True,
    actor: Actor = SYSTEM,
    now: datetime,
) -> Registration:
    """
    Add a GSTIN that the shop sells under; its state is the GSTIN's. A new default takes the place of the old one.

    :raises InvalidGstin: if the number is none, or not that of a normal registration
    :raises InvalidPin: if the PIN code is none
    :raises PinStateMismatch: if the PIN code does not lie in the GSTIN's state
    :raises InvalidRegistrationText: if a name or the address has a text that no e-invoice carries
    :raises InvoicePrefixNotAllowed: if its invoices cannot begin so
    :raises RegistrationExists: if the GSTIN is there already
    """
    locks.lock_registrations()

    check = rules.check_gstin(gstin)
    if check.kind is not rules.GstinKind.NORMAL:
        raise InvalidGstin(check.gstin[:20], check.refusal or check.kind, param="gstin")
    _check_pin(pin, state=rules.gstin_state(check.gstin))
    _check_texts(
        {
            "legal_name": legal_name,
            "trade_name": trade_name,
            "address_line1": address_line1,
            "address_line2": address_line2,
            "city": city,
        }
    )
    if not rules.is_invoice_prefix(invoice_prefix):
        raise InvoicePrefixNotAllowed(invoice_prefix[:10], param="invoice_prefix")
    if Registration.objects.filter(gstin=check.gstin).exists():
        raise RegistrationExists(check.gstin, param="gstin")

    if is_default:
        _clear_default(now=now)
    registration = Registration.objects.create(
        gstin=check.gstin,
        legal_name=legal_name,
        trade_name=trade_name,
        state=rules.gstin_state(check.gstin),
        address_line1=address_line1,
        address_line2=address_line2,
        city=city,
        pin=pin,
        phone=phone,
        email=email,
        invoice_prefix=invoice_prefix,
        is_default=is_default,
        created_at=now,
    )

    log.info("registration_added", registration=registration.public_id, state=registration.state, actor=str(actor))

    return registration


@transactional
def update_registration(
    *, registration_id: UUID, changes: Mapping[str, str], actor: Actor, now: datetime
) -> Registration:
    """
    Correct the names and the address of a registration; issued documents keep what they said.

    :raises RegistrationNotFound: if there is none
    :raises InvalidPin: if the PIN code is none
    :raises PinStateMismatch: if the PIN code does not lie in the registration's state
    :raises InvalidRegistrationText: if a name or the address has a text that no e-invoice carries
    """
    registration = locks.lock_registration(registration_id)

    if "pin" in changes:
        _check_pin(changes["pin"], state=registration.state)
    _check_texts(changes)

    changed = [name for name in EDITABLE_REGISTRATION_FIELDS if name in changes]
    for name in changed:
        setattr(registration, name, changes[name])
    registration.save(update_fields=[*changed, "updated_at"])

    log.info("registration_updated", registration=registration.public_id, fields=changed, actor=str(actor))

    return registration


@transactional
def set_default_registration(*, registration_id: UUID, actor: Actor, now: datetime) -> Registration:
    """
    Let new orders be sold under this registration; orders that were placed keep theirs.

    :raises RegistrationNotFound: if there is none
    """
    registration = locks.lock_registration(registration_id)

    _clear_default(now=now)
    registration.is_default = registration.is_active = True
    registration.save(update_fields=["is_default", "is_active", "updated_at"])

    log.info("default_registration_set", registration=registration.public_id, actor=str(actor))

    return registration


def _clear_default(*, now: datetime) -> None:
    Registration.objects.filter(is_default=True).update(is_default=False, updated_at=now)


def _check_pin(pin: str, *, state: str) -> None:
    if not rules.is_pin(pin):
        raise InvalidPin(pin[:10], param="pin")
    selectors.get_state_of_pin(pin=pin, state=state)


def _check_texts(texts: Mapping[str, str]) -> None:
    for field, limits in _REGISTRATION_TEXTS.items():
        text = texts.get(field)
        if text is None or (not text and field in _OPTIONAL_TEXTS):
            continue
        refusal = rules.check_text(text, limits)
        if refusal is not None:
            sentence = messages.text_refused(
                messages.REGISTRATION_LABELS[field],
                refusal,
                length=len(text),
                fewest=limits.fewest,
                most=limits.most,
            )
            raise InvalidRegistrationText(sentence, param=field, details=[{"param": field, "code": str(refusal)}])
