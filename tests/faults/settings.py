"""Local settings, with the places at which a process can be killed, and nothing else."""

from config.settings.local import *

INSTALLED_APPS = [*INSTALLED_APPS, "tests.faults.points.FaultPoints"]
MIDDLEWARE = ["tests.faults.points.KillingMiddleware", *MIDDLEWARE]
