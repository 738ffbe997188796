"""Local settings for a run of history: the waits of the product are short, so that what expires does so within the run."""

import os
from datetime import timedelta

from config.schedule import SCHEDULE
from config.settings.local import *

# Who has logged in at the beginning stays so, and what floods a shop is no subject here.
SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = timedelta(hours=12)
CUSTOMER_WRITES_PER_MINUTE = STAFF_WRITES_PER_MINUTE = 1_000_000
MAX_UNPAID_ORDERS_PER_CUSTOMER = MAX_UNPAID_UNITS_PER_VARIANT = MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN = 1_000_000
RATELIMIT_ENABLE = False

#: What is not paid by then expires; late payments come afterwards.
ORDER_TTL = PAYMENT_TTL = timedelta(seconds=float(os.environ.get("HISTORY_TTL_SECONDS", "40")))
_SECONDS = {
    "expire unpaid orders": 3.0,
    "poll open payments": 2.0,
    "poll open refunds": 2.0,
    "sweep webhooks": 3.0,
    "render missing invoices": 20.0,
    "send due notifications": 5.0,
}
for _name, _every in _SECONDS.items():
    SCHEDULE[_name]["schedule"] = _every

INSTALLED_APPS = [*INSTALLED_APPS, "devtools.history.waits.ShortWaits"]
