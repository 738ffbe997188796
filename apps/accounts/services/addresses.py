"""Addresses of customers. Orders keep a snapshot, so that an address may change or go at any time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from uuid import UUID

from django.db import transaction

from apps.accounts import events, locks, rules, selectors
from apps.accounts.models import Address
from apps.core.errors import Conflict, Invalid, PreconditionFailed
from apps.core.events import Actor, record, stored_fields
from apps.tax import rules as tax

_SENTENCES = {
    "state": "There is no such state code.",
    "pin": "A PIN code has six digits and does not begin with 0.",
    "gstin": "This GSTIN is not valid.",
    "gstin_of_another_state": "The GSTIN begins with another state's code than the address has.",
}


class AddressNotValid(Invalid):
    message = "{0}"


class TooManyAddresses(Conflict):
    message = "You have {0} addresses. Remove one first."


@dataclass(frozen=True, slots=True)
class AddressFields:
    """What is written on an address: `state` is the two-digit GST code, `phone` is E.164 or empty."""

    name: str
    line1: str
    city: str
    state: str
    pin: str
    company: str = ""
    phone: str = ""
    line2: str = ""
    gstin: str = ""


@transaction.atomic
def add_address(
    *, user_id: UUID, fields: AddressFields, is_default: bool = False, actor: Actor, now: datetime
) -> Address:
    """
    Add an address; a person's first is the default.

    :raises AddressNotValid: if state, PIN or GSTIN are wrong or do not fit each other
    :raises TooManyAddresses: if the person has 50 already
    """
    locks.lock_user(user_id)

    fields = _checked(fields)
    count = selectors.list_addresses(user_id=user_id).count()
    if count >= rules.MAX_ADDRESSES:
        raise TooManyAddresses(count)

    is_default = is_default or count == 0
    if is_default:
        _take_default_away(user_id, actor=actor, now=now)
    address = Address.objects.create(user_id=user_id, is_default=is_default, **asdict(fields))

    told = stored_fields(address, "user_id", "state", "is_default")  # events keep no whereabouts for ever
    record(events.ADDRESS_ADDED, subject=address, actor=actor, changed=told, now=now)

    return address


@transaction.atomic
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
    Change some fields of an address, or make it the default.

    :raises AddressNotFound: if it is not this person's
    :raises PreconditionFailed: if it is no longer at the version that the caller has seen
    :raises AddressNotValid: if state, PIN or GSTIN are wrong or do not fit each other
    """
    locks.lock_user(user_id)
    address = locks.lock_address(user_id=user_id, address_id=address_id)

    if address.version != version:
        raise PreconditionFailed
    before = AddressFields(**{name: getattr(address, name) for name in AddressFields.__dataclass_fields__})
    after = _checked(replace(before, **changes))
    changed = [name for name, value in asdict(after).items() if value != getattr(before, name)]
    if is_default is not None and is_default != address.is_default:
        changed.append("is_default")
    if not changed:
        return address

    if "is_default" in changed and is_default:
        _take_default_away(user_id, actor=actor, now=now)
    for name, value in asdict(after).items():
        setattr(address, name, value)
    if is_default is not None:
        address.is_default = is_default
    address.save(update_fields=[*changed, "updated_at"])

    told = {**stored_fields(address, "state", "is_default"), "fields": changed}
    record(events.ADDRESS_CHANGED, subject=address, actor=actor, changed=told, now=now)

    return address


@transaction.atomic
def remove_address(*, user_id: UUID, address_id: UUID, actor: Actor, now: datetime) -> None:
    """
    Remove an address; orders keep what they have of it.

    :raises AddressNotFound: if it is not this person's
    """
    locks.lock_user(user_id)
    address = locks.lock_address(user_id=user_id, address_id=address_id)

    address.removed_at = now
    address.is_default = False
    address.save(update_fields=["removed_at", "is_default", "updated_at"])

    told = stored_fields(address, "removed_at", "is_default")
    record(events.ADDRESS_REMOVED, subject=address, actor=actor, changed=told, now=now)


def _take_default_away(user_id: UUID, *, actor: Actor, now: datetime) -> None:
    former = locks.lock_default_address(user_id)
    if former is None:
        return
    former.is_default = False
    former.save(update_fields=["is_default", "updated_at"])
    record(events.ADDRESS_CHANGED, subject=former, actor=actor, changed=stored_fields(former, "is_default"), now=now)


def _checked(fields: AddressFields) -> AddressFields:
    fields = replace(fields, gstin=tax.normalise_gstin(fields.gstin))
    fault = rules.fault_of_address(state=fields.state, pin=fields.pin, gstin=fields.gstin)
    if fault is not None:
        param, code = fault
        details = [{"param": param, "code": code}]
        raise AddressNotValid(_SENTENCES.get(code, _SENTENCES[param]), param=param, details=details)
    return fields
