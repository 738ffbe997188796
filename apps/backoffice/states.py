"""The periods of the sales dashboard."""

from django.db import models


class Period(models.TextChoices):
    """A period that ends with the present day in India."""

    TODAY = "today", "Today"
    LAST_7_DAYS = "last_7_days", "7 days"
    LAST_30_DAYS = "last_30_days", "30 days"
    THIS_MONTH = "this_month", "This month"
