"""
The projections of sales: what the dashboard and the reports read, derived from orders, payments and refunds.

Days are those of India's calendar, amounts paise, quantities thousandths of a unit. No row has an instant or a number of its own,
so that projections that are built again are the same, byte by byte. No foreign key is checked by the database: each row is made
of rows that are never deleted.
"""

from typing import Any

from django.db import models

from apps.backoffice.states import Period


class ProjectionState(models.Model):
    """The one row that says with which day the periods of the rankings end; writers of projections lock it."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    day = models.DateField(null=True, help_text="Empty until the projections are built for the first time.")

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="projection_state_is_one_row")]

    def __str__(self) -> str:
        return f"projections of {self.day}"


def _unchecked_key(to: str) -> Any:
    return models.ForeignKey(to, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False)


class OrderDay(models.Model):
    """
    What happened to one order on one day: most orders have one row, one that is refunded later has two.

    `placed`, `confirmed`, `cancelled` and `expired` are 1 if that happened on this day. `sold` is 1 if the order was confirmed on
    this day and has not been cancelled since. `sales_amount` is its total, on the day on which it was confirmed.
    """

    pk = models.CompositePrimaryKey("order_id", "day")
    order = _unchecked_key("orders.Order")
    day = models.DateField()
    customer = _unchecked_key("accounts.User")
    placed = models.SmallIntegerField()
    confirmed = models.SmallIntegerField()
    cancelled = models.SmallIntegerField()
    expired = models.SmallIntegerField()
    sold = models.SmallIntegerField()
    sales_amount = models.BigIntegerField()
    captured_amount = models.BigIntegerField()
    refunded_amount = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["day"], name="order_day_by_day")]

    def __str__(self) -> str:
        return f"{self.order_id} on {self.day}"


class DailySales(models.Model):
    """The sums over all orders of one day: how many were placed, confirmed, cancelled and expired, and their money."""

    day = models.DateField(primary_key=True)
    placed = models.BigIntegerField()
    confirmed = models.BigIntegerField()
    cancelled = models.BigIntegerField()
    expired = models.BigIntegerField()
    sales_amount = models.BigIntegerField(help_text="The totals of the orders that were confirmed on this day.")
    captured_amount = models.BigIntegerField(help_text="The money that was taken on this day.")
    refunded_amount = models.BigIntegerField(help_text="The money that was refunded on this day.")

    class Meta:
        verbose_name_plural = "daily sales"

    def __str__(self) -> str:
        return f"sales of {self.day}"


class DailyVariantSales(models.Model):
    """What was sold of one variant on one day, in orders that were not cancelled later."""

    pk = models.CompositePrimaryKey("day", "variant_id")
    day = models.DateField()
    variant = _unchecked_key("catalog.Variant")
    quantity_milli = models.BigIntegerField()
    sales_amount = models.BigIntegerField()

    class Meta:
        verbose_name_plural = "daily variant sales"

    def __str__(self) -> str:
        return f"sales of {self.variant_id} on {self.day}"


class BestSeller(models.Model):
    """What was sold of one variant in a period that ends with the day of `ProjectionState`, in the order of best-sellers."""

    pk = models.CompositePrimaryKey("period", "variant_id")
    period = models.CharField(max_length=12, choices=Period)
    variant = _unchecked_key("catalog.Variant")
    quantity_milli = models.BigIntegerField()
    sales_amount = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(
                fields=["period", "-quantity_milli", "-sales_amount", "variant"], name="best_seller_by_quantity"
            )
        ]

    def __str__(self) -> str:
        return f"{self.variant_id}, {self.period}"


class TopCustomer(models.Model):
    """What one customer bought in a period that ends with the day of `ProjectionState`, in the order of top customers."""

    pk = models.CompositePrimaryKey("period", "customer_id")
    period = models.CharField(max_length=12, choices=Period)
    customer = _unchecked_key("accounts.User")
    orders = models.BigIntegerField()
    sales_amount = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["period", "-sales_amount", "-orders", "customer"], name="top_customer_by_sales")
        ]

    def __str__(self) -> str:
        return f"{self.customer_id}, {self.period}"
