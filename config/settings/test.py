"""The tests: real Postgres, real Valkey, quick password hashes, and no secret that is one."""

import os

_FOR_TESTS = {
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
    "SECRET_KEY": "a key for tests alone, which protects nothing at all, and is long",
    "JWT_SIGNING_KEY": "a signing key for tests alone, which protects nothing",
    "OTP_PEPPER": "a pepper for tests alone, which protects nothing",
    "RAZORPAY_BASE_URL": "http://127.0.0.1:9/razorpay",
    "RAZORPAY_KEY_ID": "rzp_test_BahiSandbox001",
    "RAZORPAY_KEY_SECRET": "sandbox_key_secret_0123456789",
    "RAZORPAY_WEBHOOK_SECRETS": "sandbox_webhook_secret_0123456789",
    "RAZORPAY_ACCOUNT_ID": "acc_BahiSandbox001",
    "RAZORPAY_S2S_UPI": "true",
    "MSG91_BASE_URL": "http://127.0.0.1:9/msg91",
    "MSG91_AUTH_KEY": "sandbox-msg91-authkey",
    "EMAIL_URL": "smtp://127.0.0.1:9",
    "DATABASE_URL": "postgres://nobody@127.0.0.1:9/none",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "LOG_LEVEL": "WARNING",
}
os.environ["ENVIRONMENT"] = "test"  # the shell that runs the tests may name another one
for _name, _value in _FOR_TESTS.items():
    os.environ.setdefault(_name, _value)

from config.settings.base import *  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "devtools"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *PASSWORD_HASHERS]
REFRESH_COOKIE_SECURE = False
# Factories place many orders of one customer, and one customer changes much in a minute; the tests of the limits set theirs.
MAX_UNPAID_ORDERS_PER_CUSTOMER = MAX_UNPAID_UNITS_PER_VARIANT = 10_000
CUSTOMER_WRITES_PER_MINUTE = STAFF_WRITES_PER_MINUTE = 1_000_000
RATELIMIT_ENABLE = False  # all tests come from one address; the test of the floor turns it on
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_AUTOREFRESH = True  # find a file when it is requested: each test client would list all of them, for 25 ms
RESPONSE_CACHE_BYTES = 0  # what a test does not commit raises no version; the tests of the cache turn it on
