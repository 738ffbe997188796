"""Locations, and the stock at each: its levels, movements and reservations."""

from typing import Final
from uuid import UUID

import pgtrigger
from django.db import models

from apps.catalog.models.products import Variant
from apps.catalog.rules import StockCounts
from apps.catalog.states import MovementKind, ReservationStatus
from apps.core.models import FROZEN, Record, UpdatedAtField, whole_units
from apps.core.quantities import to_units

#: The location that every installation has, whose row `services.set_up_reference_data` inserts.
MAIN_LOCATION_ID: Final = UUID("0193a5c0-0000-7000-8000-000000000001")


class Location(Record):
    """A place where goods are kept, such as a warehouse or a shop."""

    PREFIX = "loc"

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.name


_COUNT_NEW_LEVEL = pgtrigger.Trigger(
    name="count_new_level",
    when=pgtrigger.After,
    operation=pgtrigger.Insert,
    condition=pgtrigger.Condition("NEW.on_hand_milli > NEW.reserved_milli"),
    func="""
        UPDATE catalog_product SET levels_in_stock_count = levels_in_stock_count + 1
        WHERE id = (SELECT product_id FROM catalog_variant WHERE id = NEW.variant_id AND is_active);
        RETURN NULL;
    """,
)
#: Locks the products in the order of their keys, so that two orders which sell out the same two products do not wait for each other.
_COUNT_CHANGED_LEVELS = pgtrigger.Trigger(
    name="count_changed_levels",
    level=pgtrigger.Statement,
    when=pgtrigger.After,
    operation=pgtrigger.Update,
    referencing=pgtrigger.Referencing(old="before", new="after"),
    func="""
        WITH sold_out_or_filled AS (
            SELECT variant.product_id, sum(CASE WHEN after.on_hand_milli > after.reserved_milli THEN 1 ELSE -1 END) AS change
            FROM after
            JOIN before USING (variant_id, location_id)
            JOIN catalog_variant AS variant ON variant.id = after.variant_id AND variant.is_active
            WHERE (before.on_hand_milli > before.reserved_milli) <> (after.on_hand_milli > after.reserved_milli)
            GROUP BY variant.product_id
        ), locked AS MATERIALIZED (
            SELECT product.id FROM catalog_product AS product
            WHERE product.id IN (SELECT product_id FROM sold_out_or_filled) ORDER BY product.id FOR NO KEY UPDATE
        )
        UPDATE catalog_product AS product SET levels_in_stock_count = product.levels_in_stock_count + counted.change
        FROM sold_out_or_filled AS counted, locked
        WHERE product.id = counted.product_id AND locked.id = product.id;
        RETURN NULL;
    """,
)


class StockLevel(models.Model):
    """
    How many units of a variant are at a location, and how many of these are reserved. available = on_hand - reserved.

    Rows are locked in the order of their key, (variant, location).
    """

    pk = models.CompositePrimaryKey("variant_id", "location_id")
    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="stock_levels")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    on_hand_milli = models.BigIntegerField(default=0)
    reserved_milli = models.BigIntegerField(default=0)
    updated_at = UpdatedAtField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(on_hand_milli__gte=0), name="stock_on_hand_not_negative"),
            models.CheckConstraint(
                condition=models.Q(reserved_milli__gte=0, reserved_milli__lte=models.F("on_hand_milli")),
                name="stock_not_oversold",
            ),
            models.CheckConstraint(
                condition=whole_units("on_hand_milli", "reserved_milli"), name="stock_is_whole_units"
            ),
        ]
        triggers = [_COUNT_NEW_LEVEL, _COUNT_CHANGED_LEVELS]

    def __str__(self) -> str:
        return str(self.counts)

    @property
    def counts(self) -> StockCounts:
        return StockCounts(on_hand_milli=self.on_hand_milli, reserved_milli=self.reserved_milli)


class StockMovement(Record):
    """One change of the stock at a location; the sum of all is `on_hand_milli` of the stock level."""

    PREFIX = "mov"

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=MovementKind)
    quantity_milli = models.BigIntegerField(help_text="Thousandths of a unit, positive in, negative out.")
    reference = models.UUIDField(null=True, blank=True)
    reservation = models.ForeignKey(
        "catalog.Reservation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The reservation that a dispatch consumes.",
    )
    reason = models.CharField(max_length=200, blank=True)
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(quantity_milli=0), name="movement_quantity_not_zero"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="movement_is_whole_units"),
            models.UniqueConstraint(
                fields=["variant", "location", "kind", "reference"],
                condition=models.Q(reference__isnull=False),
                name="one_movement_per_stock_level_and_reference",
            ),
        ]
        indexes = [models.Index(fields=["variant", "created_at"], name="movement_by_variant")]
        triggers = [FROZEN]

    def __str__(self) -> str:
        return f"{self.kind} {self.quantity:+d}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)


class Reservation(Record):
    """
    Units of a stock level reserved for an order line (`reference` is its id; orders are above and not a foreign key).

    Its units may leave in several parcels. `consumed_milli` of them have left; the rest is reserved while it is held or committed.
    """

    PREFIX = "resv"

    variant = models.ForeignKey(Variant, on_delete=models.PROTECT, related_name="+")
    location = models.ForeignKey(Location, on_delete=models.PROTECT, related_name="+")
    reference = models.UUIDField()
    quantity_milli = models.BigIntegerField()
    consumed_milli = models.BigIntegerField(
        default=0, db_default=0, help_text="Thousandths of a unit that were dispatched."
    )
    status = models.CharField(max_length=10, choices=ReservationStatus, default=ReservationStatus.HELD)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reference", "location"], name="one_reservation_per_line_and_location"),
            models.CheckConstraint(condition=models.Q(quantity_milli__gt=0), name="reservation_quantity_positive"),
            models.CheckConstraint(condition=whole_units("quantity_milli"), name="reservation_is_whole_units"),
            models.CheckConstraint(
                condition=models.Q(consumed_milli__gte=0, consumed_milli__lte=models.F("quantity_milli")),
                name="reservation_consumed_within_quantity",
            ),
        ]
        indexes = [
            models.Index(
                fields=["variant", "location"],
                name="reservation_active",
                condition=models.Q(status__in=[ReservationStatus.HELD, ReservationStatus.COMMITTED]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.status}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)

    @property
    def remaining_milli(self) -> int:
        """The units that were not dispatched, in thousandths: those that it reserves while it is held or committed."""
        return self.quantity_milli - self.consumed_milli
