"""Local settings for a benchmark: no budget of a customer refuses the load, and there is an empty view to compare with."""

from datetime import timedelta

from config.settings.local import *

ROOT_URLCONF = "bench.urls"

SIMPLE_JWT["ACCESS_TOKEN_LIFETIME"] = timedelta(hours=12)
CUSTOMER_WRITES_PER_MINUTE = STAFF_WRITES_PER_MINUTE = 1_000_000
MAX_UNPAID_ORDERS_PER_CUSTOMER = MAX_UNPAID_UNITS_PER_VARIANT = MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN = 1_000_000
RATELIMIT_ENABLE = False
#: What is placed and not paid stays as it is for the length of a benchmark.
ORDER_TTL = PAYMENT_TTL = timedelta(hours=6)
