"""Local settings, with the places at which a process can be killed, and nothing else."""

from config.schedule import SCHEDULE
from config.settings.local import *

SCHEDULE["ask about open refunds"]["schedule"] = 2.0

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.points.FaultPoints"]
MIDDLEWARE = ["tests.faults.points.KillingMiddleware", *MIDDLEWARE]
