"""Orders, their lines and their addresses."""

from collections.abc import Iterable
from typing import Any, Final

import pgtrigger
from django.db import models
from django.db.models.functions import Collate, Reverse

from apps.core.errors import NotFound
from apps.core.models import NOT_DELETED, Record, Subject, all_null, whole_units
from apps.core.quantities import to_units
from apps.core.rows import keep_related
from apps.orders.states import HOLDS_STOCK, FulfilmentStatus, OrderStatus
from apps.tax.rules import state_name

#: Orders that hold stock and of which nothing is paid. Not by their status: the index of orders that await their payment would fit
#: too, and be read from end to end for one customer.
UNPAID = all_null("confirmed_at", "cancelled_at", "expired_at") & models.Q(paid_amount=0)


class OrderNotFound(NotFound):
    """There is no such order, or it belongs to somebody else. List the orders."""

    message = "There is no such order."


class OrderAddress(Record):
    """
    A name and an address as they were when an order was placed: one row a version, which orders and their events refer to.

    Nothing of it ever changes, except that it is erased: then all is blank but the state, which the tax returns need.
    """

    PREFIX = "oadr"
    #: What is written on it, apart from what follows from the state.
    FIELDS: Final = ("name", "company", "phone", "line1", "line2", "city", "state", "pin", "pin_check", "gstin")

    name = models.CharField(max_length=120, blank=True)
    company = models.CharField(max_length=160, blank=True)
    phone = models.CharField(max_length=16, blank=True)
    line1 = models.CharField(max_length=160, blank=True)
    line2 = models.CharField(max_length=160, blank=True)
    city = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=2)
    pin = models.CharField(max_length=6, blank=True)
    pin_check = models.CharField(
        max_length=20,
        blank=True,
        help_text="How the PIN code was found to fit the state; empty if it was not compared.",
    )
    gstin = models.CharField(max_length=15, blank=True)
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "order addresses"
        constraints = [
            models.CheckConstraint(
                name="erased_order_address_is_blank",
                condition=models.Q(erased_at__isnull=True)
                | models.Q(name="", company="", phone="", line1="", line2="", city="", pin="", pin_check="", gstin=""),
            ),
        ]
        triggers = [
            NOT_DELETED,
            pgtrigger.Protect(
                name="order_address_is_only_erased",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__erased_at__isnull=False)
                | pgtrigger.Q(new__erased_at__isnull=True)
                | pgtrigger.Q(old__state__df=pgtrigger.F("new__state")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.city}" if self.erased_at is None else "erased"

    @property
    def state_name(self) -> str:
        return state_name(self.state)

    @property
    def country(self) -> str:
        return "IN"

    @property
    def snapshot(self) -> dict[str, Any]:
        """The values by name, as documents keep them."""
        return {name: getattr(self, name) for name in (*self.FIELDS, "state_name", "country")}


#: An order's number read from its end, letter by letter: what begins so ends as it was typed, and has an index.
REVERSED_NUMBER: Final = Collate(Reverse("number"), "C")


class Order(Subject):
    """
    An agreement to sell: lines, prices, tax and addresses as they were when it was placed. All amounts in paise.

    `status` says how far the agreement is. `paid_amount` (captured), `refunded_amount` (refunded of it),
    `disputed_amount` (undecided disputes), `lost_amount` (lost ones), `under_review_amount` (captured, and staff must
    decide), `payment_live_until` (a payment is open until then) and `is_payment_processing` (somebody is paying) are
    copies that payments keeps through `services.update_payment_totals`; expiry and cancelling read all but the last.

    `fulfilment_status` is derived from the counters of its lines, which fulfilment updates through
    `services.update_fulfilment_totals`.
    """

    PREFIX = "ord"
    PERSONAL_FIELDS = frozenset({"buyer_gstin", "cancel_reason", "note"})

    number = models.CharField(max_length=20, unique=True)
    customer = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    registration = models.ForeignKey("tax.Registration", on_delete=models.PROTECT, related_name="+")
    status = models.CharField(max_length=20, choices=OrderStatus, default=OrderStatus.PENDING_PAYMENT)
    currency = models.CharField(max_length=3, default="INR")
    billing_address = models.ForeignKey(OrderAddress, on_delete=models.PROTECT, related_name="+")
    shipping_address = models.ForeignKey(OrderAddress, on_delete=models.PROTECT, related_name="+")
    buyer_gstin = models.CharField(max_length=15, blank=True)
    place_of_supply = models.CharField(max_length=2)
    place_of_supply_reason = models.CharField(max_length=60)
    discount_amount = models.BigIntegerField(default=0)
    shipping_amount = models.BigIntegerField(default=0)
    taxable_amount = models.BigIntegerField()
    cgst_amount = models.BigIntegerField(default=0)
    sgst_amount = models.BigIntegerField(default=0)
    utgst_amount = models.BigIntegerField(default=0)
    igst_amount = models.BigIntegerField(default=0)
    round_off_amount = models.BigIntegerField(default=0)
    total_amount = models.BigIntegerField()
    paid_amount = models.BigIntegerField(default=0)
    refunded_amount = models.BigIntegerField(
        default=0, db_default=0, help_text="The amount of the payments that has been refunded."
    )
    disputed_amount = models.BigIntegerField(
        default=0, db_default=0, help_text="The amount of disputes that are not decided."
    )
    lost_amount = models.BigIntegerField(default=0, db_default=0, help_text="The amount that was lost in disputes.")
    under_review_amount = models.BigIntegerField(
        default=0,
        db_default=0,
        help_text="Captured money that staff must decide about; the order keeps its stock until then.",
    )
    payment_live_until = models.DateTimeField(null=True, blank=True)
    is_payment_processing = models.BooleanField(
        default=False, db_default=False, help_text="An attempt to pay is pending, authorised or under review."
    )
    fulfilment_status = models.CharField(
        max_length=12,
        choices=FulfilmentStatus,
        default=FulfilmentStatus.UNFULFILLED,
        db_default=FulfilmentStatus.UNFULFILLED,
    )
    note = models.CharField(max_length=500, blank=True)
    placed_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True, blank=True)
    cancelled_at = models.DateTimeField(null=True, blank=True)
    expired_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)
    cancel_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="order_total_adds_up",
                condition=models.Q(
                    total_amount=models.F("taxable_amount")
                    + models.F("cgst_amount")
                    + models.F("sgst_amount")
                    + models.F("utgst_amount")
                    + models.F("igst_amount")
                    + models.F("round_off_amount")
                ),
            ),
            models.CheckConstraint(condition=models.Q(total_amount__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(
                condition=models.Q(round_off_amount__gte=-50, round_off_amount__lte=50),
                name="order_round_off_within_half_rupee",
            ),
            models.CheckConstraint(condition=models.Q(paid_amount__gte=0), name="order_paid_not_negative"),
            models.CheckConstraint(condition=models.Q(refunded_amount__gte=0), name="order_refunded_not_negative"),
            models.CheckConstraint(
                condition=models.Q(disputed_amount__gte=0, lost_amount__gte=0), name="order_disputed_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(under_review_amount__gte=0), name="order_under_review_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["customer", "-created_at", "-id"], name="order_by_customer"),
            models.Index(fields=["-created_at", "-id"], name="order_by_time"),
            models.Index(
                fields=["expires_at"],
                name="order_awaiting_payment",
                condition=models.Q(status=OrderStatus.PENDING_PAYMENT),
            ),
            models.Index(
                fields=["customer"],
                name="order_unpaid_by_customer",
                condition=UNPAID,
            ),
            models.Index(
                fields=["completed_at"],
                name="order_to_close",
                condition=models.Q(status=OrderStatus.COMPLETED),
            ),
            models.Index(
                fields=["confirmed_at", "id"],
                name="order_to_send",
                condition=models.Q(status__in=HOLDS_STOCK),
            ),
            models.Index(REVERSED_NUMBER, name="order_by_last_digits"),
        ]
        triggers = [NOT_DELETED]

    def __str__(self) -> str:
        return self.number

    def keep_lines(self, lines: "Iterable[OrderLine]") -> None:
        """Keep its lines, by position, that were read or made together with it, so that they are not read again."""
        keep_related(self, "lines", self.lines.order_by("position"), lines)


class OrderLine(Record):
    """
    One variant of an order with everything that was true of it that day. All amounts in paise, `tax_rate` in basis points.

    Quantities are thousandths of a unit. The counters say how much of the line was dispatched, delivered to the buyer, returned
    by them, or cancelled before its dispatch. `registration` is the seller's whose goods they are.

    `taxability` says whether it bears tax and if not, why (`apps.tax.rules.Taxability`); it is empty on lines of before it was kept.

    taxable = gross - discount + shipping; total = taxable + taxes.
    """

    PREFIX = "line"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    variant = models.ForeignKey("catalog.Variant", on_delete=models.PROTECT, related_name="+")
    sku = models.CharField(max_length=40)
    name = models.CharField(max_length=300)
    hsn = models.CharField(max_length=8)
    uqc = models.CharField(max_length=3)
    registration = models.ForeignKey("tax.Registration", on_delete=models.PROTECT, related_name="+")
    quantity_milli = models.BigIntegerField()
    dispatched_milli = models.BigIntegerField(default=0)
    delivered_milli = models.BigIntegerField(default=0)
    returned_milli = models.BigIntegerField(default=0)
    cancelled_milli = models.BigIntegerField(default=0)
    unit_price = models.BigIntegerField()
    price_includes_tax = models.BooleanField()
    tax_class = models.CharField(max_length=40)
    tax_rate = models.PositiveIntegerField()
    taxability = models.CharField(max_length=10, blank=True, default="", db_default="")
    gross_amount = models.BigIntegerField(help_text="Without tax, before discount and shipping.")
    discount_amount = models.BigIntegerField(default=0)
    shipping_amount = models.BigIntegerField(default=0)
    taxable_amount = models.BigIntegerField()
    cgst_amount = models.BigIntegerField(default=0)
    sgst_amount = models.BigIntegerField(default=0)
    utgst_amount = models.BigIntegerField(default=0)
    igst_amount = models.BigIntegerField(default=0)
    total_amount = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "position"], name="one_line_per_position"),
            models.CheckConstraint(condition=models.Q(quantity_milli__gt=0), name="line_quantity_positive"),
            models.CheckConstraint(
                name="line_is_whole_units",
                condition=whole_units(
                    "quantity_milli", "dispatched_milli", "delivered_milli", "returned_milli", "cancelled_milli"
                ),
            ),
            models.CheckConstraint(
                name="line_counters_within_quantity",
                condition=models.Q(
                    dispatched_milli__gte=0,
                    cancelled_milli__gte=0,
                    delivered_milli__gte=0,
                    returned_milli__gte=0,
                    dispatched_milli__lte=models.F("quantity_milli") - models.F("cancelled_milli"),
                    delivered_milli__lte=models.F("dispatched_milli"),
                    returned_milli__lte=models.F("dispatched_milli"),
                ),
            ),
            models.CheckConstraint(
                name="line_total_adds_up",
                condition=models.Q(
                    total_amount=models.F("taxable_amount")
                    + models.F("cgst_amount")
                    + models.F("sgst_amount")
                    + models.F("utgst_amount")
                    + models.F("igst_amount")
                ),
            ),
            models.CheckConstraint(
                name="line_taxable_adds_up",
                condition=models.Q(
                    taxable_amount=models.F("gross_amount") - models.F("discount_amount") + models.F("shipping_amount")
                ),
            ),
        ]
        triggers = [NOT_DELETED]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.name}"

    @property
    def quantity(self) -> int:
        return to_units(self.quantity_milli)
