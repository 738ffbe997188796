"""The seller's side of GST: registrations and dated rates."""

from django.db import models

from apps.core.errors import NotFound
from apps.core.models import Record


class RegistrationNotFound(NotFound):
    """There is no such GST registration. Choose one from the back office."""

    message = "There is no such GST registration."


class Registration(Record):
    """
    One GSTIN of the seller: what supplies from its state are invoiced under.

    `invoice_prefix` begins its document numbers (up to 4 characters).
    """

    PREFIX = "reg"

    gstin = models.CharField(max_length=15, unique=True)
    legal_name = models.CharField(max_length=160)
    trade_name = models.CharField(max_length=160, blank=True)
    state = models.CharField(max_length=2)
    address_line1 = models.CharField(max_length=160)
    address_line2 = models.CharField(max_length=160, blank=True)
    city = models.CharField(max_length=100)
    pin = models.CharField(max_length=6)
    phone = models.CharField(max_length=16, blank=True)
    email = models.EmailField(blank=True)
    invoice_prefix = models.CharField(max_length=4, default="INV")
    is_default = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["is_default"], condition=models.Q(is_default=True), name="one_default_registration"
            ),
            models.CheckConstraint(
                condition=models.Q(invoice_prefix__regex=r"^[A-Z1-9][A-Z0-9]{0,3}$"), name="invoice_prefix_format"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.gstin} {self.trade_name or self.legal_name}"


class TaxRate(Record):
    """The GST rate of a tax class from one day (in India) to another, in basis points, with the notification it stands in."""

    PREFIX = "rate"

    tax_class = models.CharField(max_length=40)
    rate = models.PositiveIntegerField()
    valid_from = models.DateField()
    valid_to = models.DateField(null=True, blank=True)
    notification = models.CharField(max_length=120, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tax_class", "valid_from"], name="one_rate_per_class_and_day"),
            models.UniqueConstraint(
                fields=["tax_class"], condition=models.Q(valid_to__isnull=True), name="one_open_rate_per_class"
            ),
            models.CheckConstraint(
                condition=models.Q(valid_to__isnull=True) | models.Q(valid_to__gte=models.F("valid_from")),
                name="rate_ends_after_it_begins",
            ),
            models.CheckConstraint(condition=models.Q(rate__lte=10_000), name="rate_is_at_most_100_percent"),
        ]

    def __str__(self) -> str:
        return f"{self.tax_class} {self.rate / 100:g} %"
