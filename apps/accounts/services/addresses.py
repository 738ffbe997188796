"""Addresses of customers. Orders keep a snapshot, so that an address may change or go at any time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from apps.accounts import events, locks, messages, rules, selectors
from apps.accounts.models import Address
from apps.core.errors import Conflict, Invalid, PreconditionFailed
from apps.core.events import Actor, change, changed_values, create
from apps.core.transactions import transactional
from apps.tax import rules as tax
from apps.tax import selectors as tax_selectors


class InvalidAddress(Invalid):
    """A field of the address does not fit an invoice or a parcel label. Correct the field that `param` names."""

    message = "{0}"


class GstinBelongsToSeller(Invalid):
    """The GSTIN of the address is one of the shop's own. Send the buyer's GSTIN, or none."""

    message = "{0} is the shop's own GSTIN. Enter the GSTIN of the buyer, or leave it out."


class TooManyAddresses(Conflict):
    """The account has as many addresses as it may. Remove one first."""

    message = "You have {0} addresses. Remove one first."


@dataclass(frozen=True, slots=True)
class AddressFields:
    """
    What is written on an address: `state` is the two-digit GST code, `phone` is E.164 or empty.

    An empty state is that of the PIN code, if it lies in one state only.
    """

    name: str
    line1: str
    city: str
    pin: str
    state: str = ""
    company: str = ""
    phone: str = ""
    line2: str = ""
    gstin: str = ""


@transactional
def add_address(
    *, user_id: UUID, fields: AddressFields, is_default: bool = False, actor: Actor, now: datetime
) -> Address:
    """
    Add an address; a person's first is the default.

    :raises InvalidAddress: if state, PIN or GSTIN are wrong, or a text is not one that an e-invoice carries
    :raises PinStateMismatch: if the PIN code belongs to another state, or no state is given and it does not have exactly one
    :raises GstinBelongsToSeller: if the GSTIN is the shop's own
    :raises TooManyAddresses: if the person has 50 already
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    locks.lock_user_to_change(user_id, actor=actor)

    fields = _validate(fields)
    count = selectors.list_addresses(user_id=user_id).count()
    if count >= rules.MAX_ADDRESSES:
        raise TooManyAddresses(count)

    is_default = is_default or count == 0
    if is_default:
        _unset_default(user_id, actor=actor, now=now)
    address = Address(user_id=user_id, is_default=is_default, **asdict(fields))
    create(address, events.ADDRESS_ADDED, actor=actor, now=now)

    return address


@transactional
def change_address(
    *,
    user_id: UUID,
    address_id: UUID,
    changes: Mapping[str, str],
    is_default: bool | None = None,
    version: int,
    actor: Actor,
    now: datetime,
) -> Address:
    """
    Change some fields of an address, or make it the default. With a new PIN code alone, its state may change too.

    :raises AddressNotFound: if it is not this person's
    :raises PreconditionFailed: if it is no longer at the version that the caller has seen
    :raises InvalidAddress: if state, PIN or GSTIN are wrong, or a text is not one that an e-invoice carries
    :raises PinStateMismatch: if the PIN code belongs to another state, or no state is given and it does not have exactly one
    :raises GstinBelongsToSeller: if the GSTIN is the shop's own
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    locks.lock_user_to_change(user_id, actor=actor)
    address = locks.lock_address(user_id=user_id, address_id=address_id)

    if address.version != version:
        raise PreconditionFailed
    before = _read_fields(address)
    after = _validate(replace(before, **_clear_outdated_state(before, changes)))
    is_default = address.is_default if is_default is None else is_default
    changed = changed_values(address, {**asdict(after), "is_default": is_default})
    if not changed:
        return address

    if changed.get("is_default"):
        _unset_default(user_id, actor=actor, now=now)
    change(address, events.ADDRESS_UPDATED, changed, actor=actor, now=now)

    return address


@transactional
def remove_address(*, user_id: UUID, address_id: UUID, actor: Actor, now: datetime) -> None:
    """
    Remove an address; orders keep what they have of it.

    :raises AddressNotFound: if it is not this person's
    :raises AccessEnded, UserErased: as `locks.lock_user_to_change` does
    """
    locks.lock_user_to_change(user_id, actor=actor)
    address = locks.lock_address(user_id=user_id, address_id=address_id)

    change(address, events.ADDRESS_REMOVED, {"removed_at": now, "is_default": False}, actor=actor, now=now)


def _unset_default(user_id: UUID, *, actor: Actor, now: datetime) -> None:
    former = locks.lock_default_address(user_id)
    if former is None:
        return
    change(former, events.ADDRESS_UPDATED, {"is_default": False}, actor=actor, now=now)


def _read_fields(address: Address) -> AddressFields:
    """Return what is written on an address."""
    return AddressFields(**{name: getattr(address, name) for name in AddressFields.__dataclass_fields__})


def check_address(address: Address) -> None:
    """
    Refuse an address that could not be added today: rules and registrations may have come since it was.

    :raises InvalidAddress: if state, PIN or GSTIN are wrong, or a text is not one that an e-invoice carries
    :raises PinStateMismatch: if the PIN code belongs to another state
    :raises GstinBelongsToSeller: if the GSTIN is the shop's own
    """
    _validate(_read_fields(address))


def _validate(fields: AddressFields) -> AddressFields:
    """
    Return an address as it is stored: with its state and a normalised GSTIN.

    :raises InvalidAddress: if state, PIN or GSTIN are wrong, or a text is not one that an e-invoice carries
    :raises PinStateMismatch: if the PIN code belongs to another state, or no state is given and it does not have exactly one
    :raises GstinBelongsToSeller: if the GSTIN is the shop's own
    """
    texts = asdict(fields)
    error = rules.find_address_text_error(texts)
    if error is not None:
        sentence = messages.address_text_error(
            error.field,
            error.refusal,
            length=len(texts[error.field]),
            fewest=error.limits.fewest,
            most=error.limits.most,
        )
        raise _address_error(error.field, error.refusal, sentence)
    fields = replace(fields, gstin=tax.normalise_gstin(fields.gstin))
    _raise_address_error(fields)
    fields = replace(fields, state=tax_selectors.get_state_of_pin(pin=fields.pin, state=fields.state))
    _raise_address_error(fields)  # the GSTIN, now that the state is known
    if fields.gstin and tax_selectors.is_own_gstin(fields.gstin):
        raise GstinBelongsToSeller(fields.gstin, param="gstin")
    return fields


def _raise_address_error(fields: AddressFields) -> None:
    error = rules.find_address_error(state=fields.state, pin=fields.pin, gstin=fields.gstin)
    if error is not None:
        param, code = error
        raise _address_error(param, code, messages.address_field_error(param, code))


def _address_error(param: str, code: str, sentence: str) -> InvalidAddress:
    return InvalidAddress(sentence, param=param, details=[{"param": param, "code": str(code)}])


def _clear_outdated_state(before: AddressFields, changes: Mapping[str, str]) -> Mapping[str, str]:
    """Let a new PIN code that cannot lie in the present state bring its own, unless a state is given."""
    pin = changes.get("pin")
    if pin is None or "state" in changes or not tax.is_pin(pin) or tax.is_pin_of_state(pin, before.state):
        return changes
    return {**changes, "state": ""}
