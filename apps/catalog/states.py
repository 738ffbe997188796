"""The states of a reservation, and the kinds of a stock movement."""

from django.db import models

from apps.core.states import transition_table


class ReservationStatus(models.TextChoices):
    HELD = "held", "Held"
    COMMITTED = "committed", "Committed"
    CONSUMED = "consumed", "Consumed"
    RELEASED = "released", "Released"
    EXPIRED = "expired", "Expired"


#: These count in `StockLevel.reserved_milli`.
ACTIVE = (ReservationStatus.HELD, ReservationStatus.COMMITTED)

transition = transition_table(
    {
        ReservationStatus.HELD: {ReservationStatus.COMMITTED, ReservationStatus.RELEASED, ReservationStatus.EXPIRED},
        ReservationStatus.COMMITTED: {ReservationStatus.CONSUMED, ReservationStatus.RELEASED},
    }
)

#: Late money can revive an order, whose units are then reserved again; no other transition leaves these states.
revive = transition_table(
    {
        ReservationStatus.RELEASED: {ReservationStatus.COMMITTED},
        ReservationStatus.EXPIRED: {ReservationStatus.COMMITTED},
    }
)


class MovementKind(models.TextChoices):
    RECEIPT = "receipt", "Receipt"
    ADJUSTMENT = "adjustment", "Adjustment"
    DISPATCH = "dispatch", "Dispatch"
    RETURN = "return", "Return"
