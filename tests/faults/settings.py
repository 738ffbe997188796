"""Local settings, with the places at which a process can be killed, and shorter waits."""

from datetime import timedelta

from config.settings.local import *

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.points.FaultPoints"]
MIDDLEWARE = ["tests.faults.points.KillingMiddleware", *MIDDLEWARE]
ORDER_EXPIRES_AFTER = timedelta(minutes=30)
