"""
Reservations of stock: held when an order is placed, committed when it is paid, consumed when it is dispatched.

A reservation is identified by its `reference`, the id of the order line. These services record no events: the order
records them, and the reservation's status says whether the units were sold or released.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from apps.catalog import locks, messages, sql, states
from apps.catalog.models import MAIN_LOCATION_ID, Reservation, StockLevel, StockMovement, Variant
from apps.catalog.sql import StockKey
from apps.catalog.states import ACTIVE, MovementKind, ReservationStatus
from apps.core import ids
from apps.core.errors import Conflict, NotFound
from apps.core.events import Actor
from apps.core.hot_path import hot_path
from apps.core.quantities import to_milli, to_units
from apps.core.transactions import transactional


@dataclass(frozen=True)
class ReservationInput:
    """Units of a variant at a location to reserve for an order line (`reference`)."""

    variant_id: UUID
    reference: UUID
    quantity: int
    location_id: UUID = MAIN_LOCATION_ID

    @property
    def quantity_milli(self) -> int:
        return to_milli(self.quantity)


@dataclass(frozen=True)
class ConsumptionInput:
    """Units of an order line (`reference`) that leave, and the id of the row that dispatches them (`source`): one movement."""

    reference: UUID
    source: UUID
    quantity: int

    @property
    def quantity_milli(self) -> int:
        return to_milli(self.quantity)


class InsufficientStock(Conflict):
    """Fewer units are available than the order requests. Order at most the number in the message."""

    message = "{0}"


class ReservationNotFound(NotFound):
    """No stock is reserved for this order line. Read the order again."""

    message = "No stock is reserved for the order line {0}."


class ConsumptionExceedsReservation(Conflict):
    """More units would leave than are still reserved for their order line. Dispatch at most the number in the message."""

    message = "{0} units cannot leave: {1} are still reserved for this line."


@hot_path("catalog.reserve_stock")
@transactional
def reserve_stock(*, inputs: Sequence[ReservationInput], actor: Actor, now: datetime) -> list[Reservation]:
    """
    Reserve units for order lines, all of them or none. Several lines may request the same variant.

    :raises InsufficientStock: if a variant has fewer available units than requested; `details` names every such
        variant and `param` the first line that requests one
    """
    wanted = _sum_by_key(inputs)
    stock = locks.lock_stock(wanted)

    _check_availability(inputs, wanted, stock)

    reservations = Reservation.objects.bulk_create(
        Reservation(
            variant_id=item.variant_id,
            location_id=item.location_id,
            reference=item.reference,
            quantity_milli=item.quantity_milli,
            created_at=now,
        )
        for item in inputs
    )
    sql.update_stock_counts(reserved=wanted, now=now)

    return reservations


@hot_path("catalog.commit_reservations")
@transactional
def commit_reservations(*, references: Collection[UUID], actor: Actor, now: datetime) -> list[Reservation]:
    """
    Commit held units that are paid for, so that they no longer expire.

    :raises ReservationNotFound: if no stock was ever reserved for a reference
    :raises InvalidTransition: if a reservation is over or committed already
    """
    reservations = _lock_reservations(references)

    for reservation in reservations:
        reservation.status = states.transition(reservation.status, to=ReservationStatus.COMMITTED)

    _store_status(reservations, ReservationStatus.COMMITTED, now)

    return reservations


@hot_path("catalog.release_reservations")
@transactional
def release_reservations(
    *, references: Collection[UUID], to: ReservationStatus, actor: Actor, now: datetime
) -> list[Reservation]:
    """
    Release reserved units: `to` is RELEASED for what was cancelled, EXPIRED for what was not paid in time.

    Of a partly consumed reservation, the rest is released.

    :raises ReservationNotFound: if no stock was ever reserved for a reference
    :raises InvalidTransition: if a reservation is over already, or committed and `to` is EXPIRED
    """
    if to in ACTIVE or to == ReservationStatus.CONSUMED:
        raise ValueError(f"units are not released by becoming {to}")
    reservations = _lock_reservations(references)
    locks.lock_stock(_key_of(reservation) for reservation in reservations)

    for reservation in reservations:
        reservation.status = states.transition(reservation.status, to=to)

    _store_status(reservations, to, now)
    sql.update_stock_counts(reserved=_negated(_sum_by_key(reservations)), now=now)

    return reservations


@transactional
def revive_reservations(*, references: Collection[UUID], actor: Actor, now: datetime) -> list[Reservation]:
    """
    Commit the units of a closed order that is paid after all: units that were released or expired are reserved again.

    :raises ReservationNotFound: if no stock was ever reserved for a reference
    :raises InsufficientStock: if too few units are available; then nothing is changed
    :raises InvalidTransition: if units were already dispatched
    """
    reservations = _lock_reservations(references)
    released = [reservation for reservation in reservations if reservation.status not in ACTIVE]
    wanted = _sum_by_key(released)
    stock = locks.lock_stock(wanted)

    for reservation in released:
        reservation.status = states.revive(reservation.status, to=ReservationStatus.COMMITTED)
    _check_availability(released, wanted, stock)

    for reservation in reservations:
        reservation.status = ReservationStatus.COMMITTED
    _store_status(reservations, ReservationStatus.COMMITTED, now)
    sql.update_stock_counts(reserved=wanted, now=now)

    return reservations


@transactional
def consume_reservations(*, inputs: Sequence[ConsumptionInput], actor: Actor, now: datetime) -> list[StockMovement]:
    """
    Consume committed units that are dispatched, all or part of each reservation, and record a stock movement per input.

    :raises ReservationNotFound: if no stock was ever reserved for a reference
    :raises InvalidTransition: if a reservation is not committed
    :raises ConsumptionExceedsReservation: if an input has no units, or more than its reservation still has
    """
    reservations = {one.reference: one for one in _lock_reservations({item.reference for item in inputs})}
    locks.lock_stock(_key_of(reservation) for reservation in reservations.values())

    leaving: Counter[StockKey] = Counter()
    for item in inputs:
        reservation = reservations[item.reference]
        _consume(reservation, item)
        leaving[_key_of(reservation)] -= item.quantity_milli

    _save(reservations.values(), now)
    sql.update_stock_counts(reserved=dict(leaving), on_hand=dict(leaving), now=now)
    return StockMovement.objects.bulk_create(
        StockMovement(
            variant_id=reservations[item.reference].variant_id,
            location_id=reservations[item.reference].location_id,
            kind=MovementKind.DISPATCH,
            quantity_milli=-item.quantity_milli,
            reference=item.source,
            reservation=reservations[item.reference],
            actor=str(actor),
            created_at=now,
        )
        for item in inputs
    )


def _consume(reservation: Reservation, item: ConsumptionInput) -> None:
    consumed = states.transition(ReservationStatus(reservation.status), to=ReservationStatus.CONSUMED)
    if not 0 < item.quantity_milli <= reservation.remaining_milli:
        raise ConsumptionExceedsReservation(item.quantity, to_units(reservation.remaining_milli))
    reservation.consumed_milli += item.quantity_milli
    if not reservation.remaining_milli:
        reservation.status = consumed


def _lock_reservations(references: Collection[UUID]) -> list[Reservation]:
    reservations = locks.lock_reservations(references)
    missing = set(references) - {reservation.reference for reservation in reservations}
    if missing:
        raise ReservationNotFound(min(missing))
    return reservations


def _store_status(reservations: Collection[Reservation], status: ReservationStatus, now: datetime) -> None:
    """Store that locked reservations have this status; much quicker than `_save`, which may give each row another."""
    for reservation in reservations:
        reservation.updated_at = now
    sql.set_reservation_status([each.pk for each in reservations], status=status, now=now)


def _save(reservations: Iterable[Reservation], now: datetime) -> None:
    changed = list(reservations)
    for reservation in changed:
        reservation.updated_at = now
    Reservation.objects.bulk_update(changed, ["status", "consumed_milli", "updated_at"])


def _key_of(part: ReservationInput | Reservation) -> StockKey:
    return part.variant_id, part.location_id


def _sum_by_key(parts: Iterable[ReservationInput | Reservation]) -> dict[StockKey, int]:
    total: Counter[StockKey] = Counter()
    for part in parts:
        total[_key_of(part)] += part.remaining_milli if isinstance(part, Reservation) else part.quantity_milli
    return dict(total)


def _negated(total: dict[StockKey, int]) -> dict[StockKey, int]:
    return {key: -milli for key, milli in total.items()}


def _check_availability(
    parts: Sequence[ReservationInput | Reservation], wanted: dict[StockKey, int], stock: dict[StockKey, StockLevel]
) -> None:
    _require_units(parts, wanted, {key: level.counts.available for key, level in stock.items()})


def check_units(inputs: Sequence[ReservationInput], *, available: Mapping[StockKey, int]) -> None:
    """
    Refuse a reservation of more units than are available, by variant and location.

    :raises InsufficientStock: as `reserve_stock` does
    """
    _require_units(inputs, _sum_by_key(inputs), available)


def _require_units(
    parts: Sequence[ReservationInput | Reservation], wanted: Mapping[StockKey, int], found: Mapping[StockKey, int]
) -> None:
    available = {key: found.get(key, 0) for key in wanted}
    requested = {key: to_units(milli) for key, milli in wanted.items()}
    short = [key for key in wanted if requested[key] > available[key]]
    if not short:
        return
    first = next(index for index, part in enumerate(parts) if _key_of(part) in short)
    details = [
        {
            "variant_id": ids.encode(Variant.PREFIX, key[0]),
            "requested": requested[key],
            "available": available[key],
        }
        for key in short
    ]
    left = messages.units_left(available[_key_of(parts[first])])
    raise InsufficientStock(left, param=f"lines[{first}].quantity", details=details)
