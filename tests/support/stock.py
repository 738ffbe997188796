"""What tests read and plant of the stock of a variant, in whole units, at the location that every installation has."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

from apps.catalog import services
from apps.catalog.models import MAIN_LOCATION_ID, Reservation, StockLevel
from apps.catalog.rules import StockCounts
from apps.core import clock
from apps.core.events import SYSTEM
from apps.core.quantities import to_milli


def stock_of(variant: Any = None, *, variant_id: UUID | None = None) -> StockCounts:
    """Return the counts of a variant, or of the only one that there is."""
    levels = StockLevel.objects.filter(location_id=MAIN_LOCATION_ID)
    pk = variant.pk if variant is not None else variant_id
    return (levels if pk is None else levels.filter(variant_id=pk)).get().counts


def plant_stock(variant: Any = None, *, variant_id: UUID | None = None, **units: int) -> None:
    """Write counts of a variant (`on_hand`, `reserved`), or of all of them, past the services that record why."""
    levels = StockLevel.objects.filter(location_id=MAIN_LOCATION_ID)
    pk = variant.pk if variant is not None else variant_id
    levels = levels if pk is None else levels.filter(variant_id=pk)
    levels.update(**{f"{name}_milli": to_milli(count) for name, count in units.items()})


def consume_all(references: Iterable[UUID]) -> None:
    """Consume all that is left of the reservations with these references."""
    rows = Reservation.objects.filter(reference__in=list(references)).order_by("pk")
    inputs = [services.ConsumptionInput(row.reference, uuid4(), row.quantity) for row in rows]
    services.consume_reservations(inputs=inputs, actor=SYSTEM, now=clock.now())
