"""Local settings, with the places at which a process can be killed, and nothing else."""

from datetime import timedelta

from config.schedule import SCHEDULE
from config.settings.local import *

# A buyer logs in once a module, which takes as long as the machine is busy.
SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = timedelta(hours=6)
# One buyer places and pays all the orders of a module.
MAX_UNPAID_ORDERS_PER_CUSTOMER = MAX_UNPAID_UNITS_PER_VARIANT = 10_000
CUSTOMER_WRITES_PER_MINUTE = STAFF_WRITES_PER_MINUTE = 1_000_000
SCHEDULE["poll open refunds"]["schedule"] = 2.0

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.points.FaultPoints"]
MIDDLEWARE = ["tests.faults.points.KillingMiddleware", *MIDDLEWARE]
