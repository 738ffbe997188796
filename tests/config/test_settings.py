"""Bahi refuses to start with what is missing, wrong or unsafe, and says in one sentence which variable it is."""

import hashlib
import itertools
import os
import re
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from kombu import Connection

from config.settings import environment, settings_module
from config.settings.environment import example, seller, servers
from devtools.environment import is_bahi_variable

ROOT = Path(__file__).resolve().parent.parent.parent


_numbers = itertools.count(1)


def made_secret() -> str:
    """Return a secret that is nobody's; the same in every process, because parallel runs compare the names of tests."""
    return hashlib.sha256(f"secret {next(_numbers)}".encode()).hexdigest()


PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": made_secret(),
    "JWT_SIGNING_KEY": made_secret(),
    "OTP_PEPPER": made_secret(),
    "DATABASE_URL": "postgres://bahi:secret@db.example/bahi?sslmode=verify-full",
    "REDIS_URL": "rediss://redis.example:6379/0",
    "ALLOWED_HOSTS": "api.shop.example",
    "PUBLIC_URL": "https://api.shop.example",
    "SHOP_NAME": "Asha Textiles",
    "RAZORPAY_KEY_ID": "rzp_live_x",
    "RAZORPAY_KEY_SECRET": made_secret(),
    "RAZORPAY_WEBHOOK_SECRETS": f"{made_secret()},{made_secret()}",
    "MSG91_AUTH_KEY": made_secret(),
    "EMAIL_URL": "smtp+tls://user:password@mail.example:587",
    "DOCUMENTS_DIR": "/srv/documents",
}
STAGING = {**PRODUCTION, "ENVIRONMENT": "staging"}
LOCAL = {
    "ENVIRONMENT": "local",
    **{name: PRODUCTION[name] for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "OTP_PEPPER")},
    "DATABASE_URL": "postgres://bahi@127.0.0.1/bahi",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "RAZORPAY_KEY_ID": "rzp_test_BahiSandbox001",
    "RAZORPAY_KEY_SECRET": "sandbox_key_secret_0123456789",
    "RAZORPAY_WEBHOOK_SECRETS": "sandbox_webhook_secret_0123456789",
    "MSG91_AUTH_KEY": "sandbox-msg91-authkey",
}
ANOTHER = made_secret()
SECRET = 'the output of "openssl rand -hex 32"'


def refused(variables: dict[str, str], **changes: str | None) -> list[str]:
    """Return the sentences with which the environment is refused."""
    changed = {name: value for name, value in {**variables, **changes}.items() if value is not None}
    with pytest.raises(environment.InvalidEnvironment) as caught:
        environment.read(changed)
    return caught.value.sentences


def number(name: str, least: int, most: int, value: str, example: str, *, of: str = "") -> tuple[str, str, str]:
    kind = f"a whole number{of and f' of {of}'}"
    return (
        name, value,
        f"{name} must be {kind} from {least} to {most}, but it is {value!r}; for example {name}={example}.",
    )  # fmt: skip


WRONG_EVERYWHERE = [
    ("ENVIRONMENT", "prod",
     "ENVIRONMENT must be local, test, staging or production, but it is 'prod'; for example ENVIRONMENT=production."),
    ("SECRET_KEY", None, f"SECRET_KEY is not set; for example {SECRET}."),
    ("SECRET_KEY", "short",
     f"SECRET_KEY is too short: it has 5 characters, and at least 32 are needed; for example {SECRET}."),
    ("SECRET_KEY", "a" * 64,
     f"SECRET_KEY is not random enough: it has 1 different character, and at least 10 are needed; for example {SECRET}."),
    ("SECRET_KEY", "django-insecure-" + "k3y0fth3w3bx" * 4,
     f"SECRET_KEY holds a key that Django marked as insecure (django-insecure-); for example {SECRET}."),
    ("SECRET_KEY", "abcdefgh1234 " * 3,
     f"SECRET_KEY is not random enough: it repeats 13 characters, and at least 32 are needed; for example {SECRET}."),
    ("SECRET_KEY", "openssl rand -hex 32 openssl rand -hex 32",
     f"SECRET_KEY is not random enough: it repeats 21 characters, and at least 32 are needed; for example {SECRET}."),
    ("SECRET_KEY", SECRET, f"SECRET_KEY holds words that describe a secret, not the secret; for example {SECRET}."),
    ("SECRET_KEY", "$(openssl rand -hex 32 | tr a-f A-F)",
     f"SECRET_KEY holds words that describe a secret, not the secret; for example {SECRET}."),
    ("JWT_SIGNING_KEY", None, f"JWT_SIGNING_KEY is not set; for example {SECRET}."),
    ("JWT_SIGNING_KEY", "ab" * 32,
     f"JWT_SIGNING_KEY is not random enough: it has 2 different characters, and at least 10 are needed; for example {SECRET}."),
    ("JWT_SIGNING_KEY", PRODUCTION["SECRET_KEY"],
     f"JWT_SIGNING_KEY holds the same secret as SECRET_KEY; for example {SECRET}."),
    ("OTP_PEPPER", None, f"OTP_PEPPER is not set; for example {SECRET}."),
    ("OTP_PEPPER", "abc" * 20,
     f"OTP_PEPPER is not random enough: it has 3 different characters, and at least 10 are needed; for example {SECRET}."),
    ("OTP_PEPPER_FALLBACKS", "short",
     f"OTP_PEPPER_FALLBACKS is too short: it has 5 characters, and at least 32 are needed; for example {SECRET}."),
    ("OTP_PEPPER_FALLBACKS", PRODUCTION["OTP_PEPPER"],
     f"OTP_PEPPER_FALLBACKS holds the same secret as OTP_PEPPER; for example {SECRET}."),
    ("SECRET_KEY_FALLBACKS", f"{ANOTHER},short",
     f"SECRET_KEY_FALLBACKS is too short: it has 5 characters, and at least 32 are needed; for example {SECRET}."),
    ("SECRET_KEY_FALLBACKS", PRODUCTION["SECRET_KEY"],
     f"SECRET_KEY_FALLBACKS holds the same secret as SECRET_KEY; for example {SECRET}."),
    ("JWT_SIGNING_KEY_FALLBACKS", "abc" * 20,
     f"JWT_SIGNING_KEY_FALLBACKS is not random enough: it has 3 different characters, and at least 10 are needed; for example {SECRET}."),
    ("JWT_SIGNING_KEY_FALLBACKS", PRODUCTION["JWT_SIGNING_KEY"],
     f"JWT_SIGNING_KEY_FALLBACKS holds the same secret as JWT_SIGNING_KEY; for example {SECRET}."),
    ("METRICS_TOKEN", "short",
     f"METRICS_TOKEN is too short: it has 5 characters, and at least 32 are needed; for example {SECRET}."),
    ("METRICS_TOKEN", PRODUCTION["SECRET_KEY"],
     f"METRICS_TOKEN holds the same secret as SECRET_KEY; for example {SECRET}."),
    number("KNOWN_DEVICE_TTL_DAYS", 1, 3_650, "0", "90"),
    ("RAZORPAY_WEBHOOK_SECRETS", None, f"RAZORPAY_WEBHOOK_SECRETS is not set; for example {SECRET}."),
    ("RAZORPAY_WEBHOOK_SECRETS", "whsec_1234",
     ("RAZORPAY_WEBHOOK_SECRETS is too short: it has 10 characters, and at least 24 are needed; "
     f"for example {SECRET}.")),
    ("RAZORPAY_WEBHOOK_SECRETS", f"{ANOTHER},previous",
     ("RAZORPAY_WEBHOOK_SECRETS is too short: it has 8 characters, and at least 24 are needed; "
     f"for example {SECRET}.")),
    ("RAZORPAY_WEBHOOK_SECRETS", "a" * 24,
     f"RAZORPAY_WEBHOOK_SECRETS is not random enough: it has 1 different character, and at least 8 are needed; for example {SECRET}."),
    ("RAZORPAY_WEBHOOK_SECRETS", f"{ANOTHER},,",
     f"RAZORPAY_WEBHOOK_SECRETS holds an empty secret between its commas; for example {SECRET}."),
    ("RAZORPAY_WEBHOOK_SECRETS", f"{ANOTHER},{ANOTHER}",
     f"RAZORPAY_WEBHOOK_SECRETS holds the same secret twice; for example {SECRET}."),
    ("RAZORPAY_WEBHOOK_SECRETS", PRODUCTION["SECRET_KEY"],
     f"RAZORPAY_WEBHOOK_SECRETS holds the same secret as SECRET_KEY; for example {SECRET}."),
    ("MSG91_AUTH_KEY", PRODUCTION["OTP_PEPPER"],
     "MSG91_AUTH_KEY holds the same secret as OTP_PEPPER; for example the auth key of MSG91's dashboard."),
    ("RAZORPAY_KEY_SECRET", None,
     "RAZORPAY_KEY_SECRET is not set; for example the key secret of Razorpay's dashboard."),
    ("RAZORPAY_KEY_SECRET", "x",
     ("RAZORPAY_KEY_SECRET is too short: it has 1 character, and at least 16 are needed; "
     "for example the key secret of Razorpay's dashboard.")),
    ("RAZORPAY_KEY_SECRET", "0123" * 4,
     ("RAZORPAY_KEY_SECRET is not random enough: it has 4 different characters, and at least 8 are needed; "
     "for example the key secret of Razorpay's dashboard.")),
    ("RAZORPAY_KEY_SECRET", "rzp_live_B2c3D4e5F6g7H8",
     "RAZORPAY_KEY_SECRET holds a key id, which is no secret; for example the key secret of Razorpay's dashboard."),
    ("RAZORPAY_KEY_SECRET", "the key secret of Razorpay's dashboard",
     ("RAZORPAY_KEY_SECRET holds words that describe a secret, not the secret; "
     "for example the key secret of Razorpay's dashboard.")),
    ("MSG91_AUTH_KEY", "y",
     ("MSG91_AUTH_KEY is too short: it has 1 character, and at least 16 are needed; "
     "for example the auth key of MSG91's dashboard.")),
    ("MSG91_AUTH_KEY", "the auth key of MSG91's dashboard",
     ("MSG91_AUTH_KEY holds words that describe a secret, not the secret; "
     "for example the auth key of MSG91's dashboard.")),
    ("RAZORPAY_KEY_ID", "key",
     ("RAZORPAY_KEY_ID must be a key id of Razorpay, but it is 'key'; "
     "for example RAZORPAY_KEY_ID=rzp_live_A1b2C3d4E5f6G7.")),
    ("RAZORPAY_ACCOUNT_ID", "NQxj",
     ("RAZORPAY_ACCOUNT_ID must be an account id of Razorpay, but it is 'NQxj'; "
     "for example RAZORPAY_ACCOUNT_ID=acc_A1b2C3d4E5f6G7.")),
    ("DATABASE_URL", None,
     ("DATABASE_URL is not set; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "mysql://db.example/bahi",
     ("DATABASE_URL must begin with postgres:// or postgresql://; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres:///bahi",
     ("DATABASE_URL names no host; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example",
     ("DATABASE_URL names no database behind its host; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example:port/bahi",
     ("DATABASE_URL has a host or a port that cannot be read; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example/bahi?sslmode=yes",
     ("DATABASE_URL has an sslmode that is none of disable, allow, prefer, require, verify-ca, verify-full; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example/bahi?pool=1",
     ("DATABASE_URL has the option 'pool', which is not known; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://u:p@%2Ftmp,db.example/bahi",
     ("DATABASE_URL names several hosts, and Bahi connects to one; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://one.example,two.example/bahi?sslmode=verify-full",
     ("DATABASE_URL names several hosts, and Bahi connects to one; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example/bahi?sslmode=verify-full&sslmode=disable",
     ("DATABASE_URL has an option twice; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("REDIS_URL", None, "REDIS_URL is not set; for example REDIS_URL=rediss://user:password@redis.example:6379/0."),
    ("REDIS_URL", "redis.example:6379",
     ("REDIS_URL must begin with redis://, rediss:// or unix://; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "redis://:6379",
     "REDIS_URL names no host; for example REDIS_URL=rediss://user:password@redis.example:6379/0."),
    ("REDIS_URL", "rediss://redis.example/cache",
     ("REDIS_URL names a database that is not a number; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "unix://?db=0",
     "REDIS_URL names no socket; for example REDIS_URL=rediss://user:password@redis.example:6379/0."),
    ("REDIS_URL", "rediss://redis.example:6379/0?ssl_cert_reqs=none",
     ("REDIS_URL must not switch off the check of the server's certificate (ssl_cert_reqs); "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "rediss://redis.example:6379/0?ssl_cert_reqs=none&ssl_cert_reqs=required",
     "REDIS_URL has an option twice; for example REDIS_URL=rediss://user:password@redis.example:6379/0."),
    ("REDIS_URL", "rediss://redis.example:6379/0?foo=bar",
     ("REDIS_URL has the option 'foo', which is not known; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "rediss://redis.example:6379/0?socket_timeout=abc",
     ("REDIS_URL has the option 'socket_timeout', which is not known; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "redis://127.0.0.1:6379/0?ssl_ca_certs=/etc/redis/ca.pem",
     ("REDIS_URL has the option 'ssl_ca_certs', which is not known; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("REDIS_URL", "unix:///run/redis.sock?db=0&timeout=1",
     ("REDIS_URL has the option 'timeout', which is not known; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("EMAIL_URL", "mail.example",
     ("EMAIL_URL must begin with smtp://, smtp+tls://, smtps:// or smtp+ssl://; "
     "for example EMAIL_URL=smtp+tls://user:password@mail.example:587.")),
    ("EMAIL_URL", "smtp+tls://",
     "EMAIL_URL names no host; for example EMAIL_URL=smtp+tls://user:password@mail.example:587."),
    ("EMAIL_URL", "smtp+tls://mail.example/inbox",
     "EMAIL_URL must end with its host and port; for example EMAIL_URL=smtp+tls://user:password@mail.example:587."),
    ("DEFAULT_FROM_EMAIL", "Asha Textiles",
     ("DEFAULT_FROM_EMAIL must be an e-mail address, with or without a name, but it is 'Asha Textiles'; "
     "for example DEFAULT_FROM_EMAIL=Asha Textiles <orders@shop.example>.")),
    ("SHOP_NAME", "Asha <b>", ("SHOP_NAME must be 1 to 60 characters without < and >, but it is 'Asha <b>'; "
     "for example SHOP_NAME=Asha Textiles.")),
    ("ALLOWED_HOSTS", "https://api.shop.example",
     ("ALLOWED_HOSTS must be host names without scheme, port or path, separated by commas, but one is "
     "'https://api.shop.example'; for example ALLOWED_HOSTS=api.shop.example.")),
    ("ALLOWED_HOSTS", "api.shop.example,,",
     ("ALLOWED_HOSTS must be host names without scheme, port or path, separated by commas, but one is ''; "
     "for example ALLOWED_HOSTS=api.shop.example.")),
    ("PLAINTEXT_HOSTS", "redis:6379",
     ("PLAINTEXT_HOSTS must be host names without scheme, port or path, separated by commas, but one is 'redis:6379'; "
     "for example PLAINTEXT_HOSTS=postgres,redis.")),
    ("PUBLIC_URL", "api.shop.example",
     "PUBLIC_URL must begin with https:// or http://; for example PUBLIC_URL=https://api.shop.example."),
    ("PUBLIC_URL", "https://",
     "PUBLIC_URL must name a host, but it is 'https://'; for example PUBLIC_URL=https://api.shop.example."),
    ("PUBLIC_URL", "https://shop.example/api",
     ("PUBLIC_URL must have no path, query or user, but it is 'https://shop.example/api'; "
     "for example PUBLIC_URL=https://api.shop.example.")),
    ("RAZORPAY_BASE_URL", "api.razorpay.com",
     "RAZORPAY_BASE_URL must begin with https:// or http://; for example RAZORPAY_BASE_URL=https://api.razorpay.com."),
    ("MSG91_BASE_URL", "https://control.msg91.com?x=1",
     ("MSG91_BASE_URL must have no query, fragment or user, but it is 'https://control.msg91.com?x=1'; "
     "for example MSG91_BASE_URL=https://control.msg91.com.")),
    ("MSG91_FLOW_TEMPLATE_IDS", "order_expired=1",
     ("MSG91_FLOW_TEMPLATE_IDS must be a JSON object from the names of messages to the ids of their templates; "
     'for example MSG91_FLOW_TEMPLATE_IDS={"order_expired": "6564aa01d6fc05"}.')),
    ("MSG91_FLOW_TEMPLATE_IDS", '{"order_expired": 1}',
     ("MSG91_FLOW_TEMPLATE_IDS must be a JSON object from the names of messages to the ids of their templates; "
     'for example MSG91_FLOW_TEMPLATE_IDS={"order_expired": "6564aa01d6fc05"}.')),
    ("CORS_ALLOWED_ORIGINS", "*",
     ("CORS_ALLOWED_ORIGINS must be origins in lower case, each scheme://host or scheme://host:port and nothing more, "
     "separated by commas, but one is '*'; for example CORS_ALLOWED_ORIGINS=https://shop.example.")),
    ("CORS_ALLOWED_ORIGINS", "https://shop.example/",
     ("CORS_ALLOWED_ORIGINS must be origins in lower case, each scheme://host or scheme://host:port and nothing more, "
     "separated by commas, but one is 'https://shop.example/'; for example CORS_ALLOWED_ORIGINS=https://shop.example.")),
    ("SIGN_UP_COUNTRIES", "India",
     ("SIGN_UP_COUNTRIES must be countries by their two letters, separated by commas, but one is 'India'; "
     "for example SIGN_UP_COUNTRIES=IN,AE.")),
    ("SIGN_UP_COUNTRIES", "IN,IN", "SIGN_UP_COUNTRIES names one of its values twice; for example SIGN_UP_COUNTRIES=IN,AE."),
    ("LATE_PAYMENT_POLICY", "keep",
     "LATE_PAYMENT_POLICY must be revive or refund, but it is 'keep'; for example LATE_PAYMENT_POLICY=revive."),
    ("HOT_PATH", "rust", "HOT_PATH must be orm or sql, but it is 'rust'; for example HOT_PATH=sql."),
    ("LOG_FORMAT", "xml", "LOG_FORMAT must be json or console, but it is 'xml'; for example LOG_FORMAT=json."),
    ("LOG_LEVEL", "info",
     "LOG_LEVEL must be DEBUG, INFO, WARNING, ERROR or CRITICAL, but it is 'info'; for example LOG_LEVEL=INFO."),
    ("HSN_MIN_DIGITS", "5", "HSN_MIN_DIGITS must be 4, 6 or 8, but it is '5'; for example HSN_MIN_DIGITS=4."),
    ("ACCEPT_PAYER_FEE", "perhaps",
     "ACCEPT_PAYER_FEE must be true or false, but it is 'perhaps'; for example ACCEPT_PAYER_FEE=true."),
    ("SECURE_SSL_REDIRECT", "2",
     "SECURE_SSL_REDIRECT must be true or false, but it is '2'; for example SECURE_SSL_REDIRECT=true."),
    ("DISPUTE_REMINDER_HOURS", "72,-1",
     ("DISPUTE_REMINDER_HOURS must be whole numbers from 1 to 720, separated by commas, but it is '72,-1'; "
     "for example DISPUTE_REMINDER_HOURS=72,24.")),
    ("DISPUTE_REMINDER_HOURS", "24,24", "DISPUTE_REMINDER_HOURS names a number twice; for example DISPUTE_REMINDER_HOURS=72,24."),
    ("DOCUMENTS_DIR", "documents",
     "DOCUMENTS_DIR must be an absolute path, but it is 'documents'; for example DOCUMENTS_DIR=/var/lib/bahi/documents."),
    ("HOST", "all hosts", "HOST must be an address or a host name, but it is 'all hosts'; for example HOST=0.0.0.0."),
    *[
        ("STATIC_ROOT", path,
         (f"STATIC_ROOT must be a directory for these files alone, but it is {path!r}; "
         "for example STATIC_ROOT=/app/staticfiles."))
        for path in ("/", "/etc", "/etc/bahi", "/srv/..", "/var/lib", "/home/asha", str(ROOT), str(ROOT.parent))
    ],
    number("SECURE_HSTS_SECONDS", 300, 63_072_000, "0", "31536000"),
    number("TRUSTED_PROXY_HOPS", 0, 10, "-1", "1"),
    number("TRUSTED_PROXY_HOPS", 0, 10, "one", "1"),
    number("DB_STATEMENT_TIMEOUT_MS", 1, 3_600_000, "0", "15000"),
    number("DB_LOCK_TIMEOUT_MS", 1, 3_600_000, "-1", "5000"),
    number("DB_IDLE_IN_TRANSACTION_TIMEOUT_MS", 1, 3_600_000, "1.5", "15000"),
    number("OTP_REQUESTS_PER_NETWORK_PER_HOUR", 1, 1_000_000, "-20", "20"),
    number("OTP_REQUESTS_PER_PREFIX_PER_DAY", 1, 1_000_000, "0", "100"),
    number("OTP_REQUESTS_PER_DAY", 1, 10_000_000, "0", "20000"),
    number("CUSTOMER_WRITES_PER_MINUTE", 1, 100_000, "-60", "60"),
    number("STAFF_WRITES_PER_MINUTE", 1, 100_000, "0", "600"),
    number("PAYMENT_WEBHOOK_GRACE_MINUTES", 1, 1_440, "0", "10"),
    number("ORDER_TTL_MINUTES", 1, 43_200, "0", "30"),
    number("MAX_UNPAID_ORDERS_PER_CUSTOMER", 1, 1_000_000, "-1", "5"),
    number("MAX_UNPAID_UNITS_PER_VARIANT", 1, 1_000_000, "0", "50"),
    number("MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN", 1, 1_000_000, "0", "500"),
    number("PAYMENT_TTL_MINUTES", 1, 43_200, "-15", "15"),
    number("PAYMENT_LINK_TTL_MINUTES", 15, 259_200, "14", "1440"),
    number("SETTLEMENT_OVERDUE_AFTER_DAYS", 1, 90, "0", "5"),
    number("REFUND_APPROVAL_THRESHOLD_PAISE", 0, 100_000_000_000, "-1", "1000000", of="paise"),
    number("REFUND_APPROVAL_THRESHOLD_PAISE", 0, 100_000_000_000, "10,000", "1000000", of="paise"),
    number("REVIEW_OVERDUE_AFTER_HOURS", 1, 720, "0", "24"),
    number("SHIPPING_FLAT_RATE_PAISE", 0, 10_000_000, "-4900", "4900", of="paise"),
    number("PORT", 0, 65_535, "65536", "8000"),
    number("WEB_CONCURRENCY", 1, 256, "0", "4"),
    number("WEB_THREADS", 1, 256, "257", "4"),
    number("WEB_REQUEST_DEADLINE_SECONDS", 1, 24, "25", "20"),
    number("WORKER_CONCURRENCY", 1, 256, "0", "3"),
    number("MAX_BUYER_WAIT_SECONDS", 0, 86_400, "-1", "20"),
    number("MAX_MONEY_WAIT_SECONDS", 0, 86_400, "86401", "120"),
]  # fmt: skip

WRONG_IN_PRODUCTION_AND_STAGING = [
    ("ALLOWED_HOSTS", None, "ALLOWED_HOSTS is not set; for example ALLOWED_HOSTS=api.shop.example."),
    ("ALLOWED_HOSTS", " ", "ALLOWED_HOSTS is not set; for example ALLOWED_HOSTS=api.shop.example."),
    ("ALLOWED_HOSTS", "*", "ALLOWED_HOSTS must not be '*'; for example ALLOWED_HOSTS=api.shop.example."),
    ("ALLOWED_HOSTS", ".example,api.shop.example",
     ("ALLOWED_HOSTS must not allow every host of a top-level domain, but one is '.example'; "
     "for example ALLOWED_HOSTS=api.shop.example.")),
    ("ALLOWED_HOSTS", "shop.example,.other.example",
     ("ALLOWED_HOSTS must name the host of PUBLIC_URL, api.shop.example; "
     "for example ALLOWED_HOSTS=api.shop.example.")),
    ("LOG_LEVEL", "CRITICAL",
     ("LOG_LEVEL must be DEBUG, INFO or WARNING, but it is 'CRITICAL', which drops the security log; "
     "for example LOG_LEVEL=INFO.")),
    ("LOG_LEVEL", "ERROR",
     ("LOG_LEVEL must be DEBUG, INFO or WARNING, but it is 'ERROR', which drops the security log; "
     "for example LOG_LEVEL=INFO.")),
    ("SHOP_NAME", None, "SHOP_NAME is not set; for example SHOP_NAME=Asha Textiles."),
    ("EMAIL_URL", None, "EMAIL_URL is not set; for example EMAIL_URL=smtp+tls://user:password@mail.example:587."),
    ("DOCUMENTS_DIR", None, "DOCUMENTS_DIR is not set; for example DOCUMENTS_DIR=/var/lib/bahi/documents."),
    ("PUBLIC_URL", None, "PUBLIC_URL is not set; for example PUBLIC_URL=https://api.shop.example."),
    ("PUBLIC_URL", "http://api.shop.example",
     ("PUBLIC_URL must begin with https://, but it is 'http://api.shop.example'; "
     "for example PUBLIC_URL=https://api.shop.example.")),
    ("RAZORPAY_BASE_URL", "http://sandbox.example:9000",
     ("RAZORPAY_BASE_URL must begin with https://, but it is 'http://sandbox.example:9000'; "
     "for example RAZORPAY_BASE_URL=https://api.razorpay.com.")),
    ("MSG91_BASE_URL", "http://sandbox.example:9000",
     ("MSG91_BASE_URL must begin with https://, but it is 'http://sandbox.example:9000'; "
     "for example MSG91_BASE_URL=https://control.msg91.com.")),
    ("CORS_ALLOWED_ORIGINS", "http://shop.example",
     ("CORS_ALLOWED_ORIGINS must begin with https://, but one is 'http://shop.example'; "
     "for example CORS_ALLOWED_ORIGINS=https://shop.example.")),
    ("DATABASE_URL", "postgres://db.example/bahi",
     ("DATABASE_URL would connect to db.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_URL", "postgres://db.example/bahi?sslmode=prefer",
     ("DATABASE_URL would connect to db.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
     "for example DATABASE_URL=postgres://user:password@db.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_REPLICA_URL", "postgres://replica.example/bahi",
     ("DATABASE_REPLICA_URL would connect to replica.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
     "for example DATABASE_REPLICA_URL=postgres://user:password@replica.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_REPLICA_URL", "postgres://other@db.example/bahi?sslmode=verify-full",
     ("DATABASE_REPLICA_URL names the server of DATABASE_URL, which is no replica of itself; "
     "for example DATABASE_REPLICA_URL=postgres://user:password@replica.example:5432/bahi?sslmode=verify-full.")),
    ("DATABASE_REPLICA_URL", "postgres://replica.example/shop?sslmode=verify-full",
     ("DATABASE_REPLICA_URL must name the database 'bahi', as DATABASE_URL does; "
     "for example DATABASE_REPLICA_URL=postgres://user:password@replica.example:5432/bahi?sslmode=verify-full.")),
    ("REDIS_URL", "redis://redis.example:6379/0",
     ("REDIS_URL would connect to redis.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
     "for example REDIS_URL=rediss://user:password@redis.example:6379/0.")),
    ("EMAIL_URL", "smtp://user:password@mail.example:25",
     ("EMAIL_URL would connect to mail.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
     "for example EMAIL_URL=smtp+tls://user:password@mail.example:587.")),
    ("RAZORPAY_KEY_SECRET", "sandbox_key_secret_0123456789",
     ("RAZORPAY_KEY_SECRET is published in Bahi's repository, so it is not secret; "
     "for example the key secret of Razorpay's dashboard.")),
    ("RAZORPAY_WEBHOOK_SECRETS", f"{made_secret()},sandbox_webhook_secret_0123456789",
     ("RAZORPAY_WEBHOOK_SECRETS is published in Bahi's repository, so it is not secret; "
     f"for example {SECRET}.")),
    ("MSG91_AUTH_KEY", "sandbox-msg91-authkey",
     ("MSG91_AUTH_KEY is published in Bahi's repository, so it is not secret; "
     "for example the auth key of MSG91's dashboard.")),
    ("SECRET_KEY", "a key for tests alone, which protects nothing at all, and is long",
     f"SECRET_KEY is published in Bahi's repository, so it is not secret; for example {SECRET}."),
    ("RAZORPAY_KEY_ID", "rzp_live_A1b2C3d4E5f6G7",
     "RAZORPAY_KEY_ID is the example of .env.example; take yours from Razorpay's dashboard."),
]  # fmt: skip


class TestReadEnvironment:
    @pytest.mark.parametrize("variables", [PRODUCTION, STAGING, LOCAL], ids=lambda each: each["ENVIRONMENT"])
    def test_what_an_environment_needs_is_enough(self, variables: dict[str, str]) -> None:
        read = environment.read(variables)

        assert variables["ENVIRONMENT"] == read.ENVIRONMENT
        assert read.is_strict == (variables["ENVIRONMENT"] != "local")
        assert (read.ORDER_TTL_MINUTES, read.DISPUTE_REMINDER_HOURS, read.ACCEPT_PAYER_FEE) == (
            30,
            [72, 24],
            True,
        )

    @pytest.mark.parametrize("variables", [PRODUCTION, STAGING, LOCAL], ids=lambda each: each["ENVIRONMENT"])
    @pytest.mark.parametrize(("name", "value", "sentence"), WRONG_EVERYWHERE)
    def test_a_wrong_value_is_refused_everywhere(
        self, variables: dict[str, str], name: str, value: str | None, sentence: str
    ) -> None:
        assert refused(variables, **{name: value}) == [sentence]

    @pytest.mark.parametrize("variables", [PRODUCTION, STAGING], ids=lambda each: each["ENVIRONMENT"])
    @pytest.mark.parametrize(("name", "value", "sentence"), WRONG_IN_PRODUCTION_AND_STAGING)
    def test_an_unsafe_value_is_refused_in_production_and_staging(
        self, variables: dict[str, str], name: str, value: str | None, sentence: str
    ) -> None:
        assert refused(variables, **{name: value}) == [sentence]

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"RAZORPAY_KEY_ID": "rzp_test_x"},
             "RAZORPAY_KEY_ID is a test key, which is for staging; for example RAZORPAY_KEY_ID=rzp_live_A1b2C3d4E5f6G7."),
            ({"SANDBOX_URL": "http://127.0.0.1:9000"},
             "SANDBOX_URL is for staging and must be empty in production; for example SANDBOX_URL=."),
            ({"PUBLIC_URL": "https://127.0.0.1", "ALLOWED_HOSTS": "127.0.0.1"},
             ("PUBLIC_URL must be an address that customers reach, but it is 'https://127.0.0.1'; "
             "for example PUBLIC_URL=https://api.shop.example.")),
            ({"RAZORPAY_BASE_URL": "http://127.0.0.1:9000"},
             ("RAZORPAY_BASE_URL must begin with https://, but it is 'http://127.0.0.1:9000'; "
             "for example RAZORPAY_BASE_URL=https://api.razorpay.com.")),
            ({"MSG91_BASE_URL": "http://127.0.0.1:9000"},
             ("MSG91_BASE_URL must begin with https://, but it is 'http://127.0.0.1:9000'; "
             "for example MSG91_BASE_URL=https://control.msg91.com.")),
        ],
        ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
    )  # fmt: skip
    def test_a_rehearsal_is_refused_in_production_alone(self, changes: dict[str, str], sentence: str) -> None:
        assert refused({**PRODUCTION, **changes}) == [sentence]
        environment.read({**STAGING, **changes})

    @pytest.mark.parametrize(
        ("static", "documents"),
        [
            ("/tmp/shop", "/tmp/shop"),
            ("/tmp/shop", "/tmp/shop/documents"),
            ("/tmp/shop/static", "/tmp/shop"),
            ("/tmp/shop/static/../documents", "/tmp/shop/documents"),
        ],
    )
    @pytest.mark.parametrize("variables", [PRODUCTION, LOCAL], ids=lambda each: each["ENVIRONMENT"])
    def test_documents_are_never_served_as_static_files(
        self, variables: dict[str, str], static: str, documents: str
    ) -> None:
        assert refused(variables, STATIC_ROOT=static, DOCUMENTS_DIR=documents) == [
            (
                "STATIC_ROOT and DOCUMENTS_DIR must not contain one another, because everybody may read STATIC_ROOT; "
                "for example STATIC_ROOT=/app/staticfiles."
            )
        ]

    def test_a_link_to_the_documents_is_not_served_either(self, tmp_path: Path) -> None:
        (tmp_path / "documents").mkdir()
        (tmp_path / "static").symlink_to(tmp_path / "documents")

        [sentence] = refused(
            PRODUCTION, STATIC_ROOT=str(tmp_path / "static"), DOCUMENTS_DIR=str(tmp_path / "documents")
        )

        assert sentence.startswith("STATIC_ROOT and DOCUMENTS_DIR must not contain one another")

    @pytest.mark.parametrize(
        "static", ["/app/staticfiles", "/srv/documents-static", "/static", "/usr/share/bahi/static"]
    )
    def test_a_directory_of_its_own_is_served(self, static: str) -> None:
        assert Path(static) == environment.read({**PRODUCTION, "STATIC_ROOT": static}).STATIC_ROOT

    @pytest.mark.parametrize("variables", [PRODUCTION, STAGING], ids=lambda each: each["ENVIRONMENT"])
    def test_plain_http_reaches_nobody_without_a_proxy(self, variables: dict[str, str]) -> None:
        plain = {"SECURE_SSL_REDIRECT": "false", "HOST": "0.0.0.0"}

        assert refused(variables, **plain) == [
            (
                "SECURE_SSL_REDIRECT must be true where HOST is '0.0.0.0': without a proxy (TRUSTED_PROXY_HOPS=0) "
                "passwords would cross the network in plain text; for example SECURE_SSL_REDIRECT=true."
            )
        ]
        for allowed in ({"TRUSTED_PROXY_HOPS": "1"}, {"HOST": "127.0.0.1"}, {"HOST": "[::1]"}):
            environment.read({**variables, **plain, **allowed})
        environment.read({**LOCAL, **plain})

    @pytest.mark.parametrize("hosts", ["API.Shop.example", ".shop.example", "10.0.0.1,.api.shop.example"])
    def test_hosts_may_name_that_of_the_public_url_in_each_form(self, hosts: str) -> None:
        environment.read({**PRODUCTION, "ALLOWED_HOSTS": hosts})

    def test_a_long_secret_may_be_repeated(self) -> None:
        environment.read({**PRODUCTION, "SECRET_KEY": made_secret() * 2})

    def test_every_wrong_value_is_reported_at_once(self) -> None:
        assert refused(LOCAL, WEB_THREADS="0", SECRET_KEY=None, LATE_PAYMENT_POLICY="x") == [
            f"SECRET_KEY is not set; for example {SECRET}.",
            "LATE_PAYMENT_POLICY must be revive or refund, but it is 'x'; for example LATE_PAYMENT_POLICY=revive.",
            "WEB_THREADS must be a whole number from 1 to 256, but it is '0'; for example WEB_THREADS=4.",
        ]

    def test_what_is_unsafe_is_told_together_with_what_is_malformed(self) -> None:
        assert refused(
            PRODUCTION,
            SECRET_KEY=None,
            SECRET_KEY_FILE="/nowhere/key",
            OTP_PEPPER="short",
            PORT="x",
            PUBLIC_URL=None,
            REDIS_URL="redis://redis.example/0",
        ) == [
            (
                "SECRET_KEY cannot be read from '/nowhere/key', which SECRET_KEY_FILE names (No such file or directory); "
                f"for example {SECRET}."
            ),
            f"OTP_PEPPER is too short: it has 5 characters, and at least 32 are needed; for example {SECRET}.",
            "PORT must be a whole number from 0 to 65535, but it is 'x'; for example PORT=8000.",
            "PUBLIC_URL is not set; for example PUBLIC_URL=https://api.shop.example.",
            (
                "REDIS_URL would connect to redis.example in plain text, and PLAINTEXT_HOSTS does not name that host; "
                "for example REDIS_URL=rediss://user:password@redis.example:6379/0."
            ),
        ]

    def test_an_unknown_environment_is_told_before_what_it_would_need(self) -> None:
        assert refused(LOCAL, ENVIRONMENT="prod", PORT="x") == [
            (
                "ENVIRONMENT must be local, test, staging or production, but it is 'prod'; "
                "for example ENVIRONMENT=production."
            ),
            "PORT must be a whole number from 0 to 65535, but it is 'x'; for example PORT=8000.",
        ]

    def test_no_sentence_shows_a_secret(self) -> None:
        said = refused(
            PRODUCTION, SECRET_KEY="hunter2", DATABASE_URL="mysql://bahi:hunter2@db.example/bahi",
            RAZORPAY_WEBHOOK_SECRETS="hunter2,hunter2", EMAIL_URL="hunter2",
        )  # fmt: skip

        assert len(said) == 4
        assert "hunter2" not in " ".join(said)
        assert PRODUCTION["SECRET_KEY"] not in repr(environment.read(PRODUCTION))

    def test_a_long_value_is_cut_and_stays_on_its_line(self) -> None:
        [sentence] = refused(LOCAL, LATE_PAYMENT_POLICY="x\ny" + "9" * 5000)

        assert sentence == (
            f"LATE_PAYMENT_POLICY must be revive or refund, but it is 'x\\ny{'9' * 57}…'; for example LATE_PAYMENT_POLICY=revive."
        )

    def test_plain_text_is_allowed_to_named_hosts_and_to_this_machine(self) -> None:
        plain = {
            "DATABASE_URL": "postgres://db.example/bahi",
            "REDIS_URL": "redis://127.0.0.1:6379/0",
            "EMAIL_URL": "smtp://[::1]:25",
        }

        assert environment.read({**PRODUCTION, **plain, "PLAINTEXT_HOSTS": "db.example"}).PLAINTEXT_HOSTS == [
            "db.example"
        ]
        environment.read({**PRODUCTION, **plain, "DATABASE_URL": "postgres://bahi@%2Frun%2Fpostgresql/bahi"})
        environment.read({**PRODUCTION, "REDIS_URL": "unix:///run/redis/socket?db=1"})
        environment.read({**LOCAL, **plain})


#: Whatever a file of the repository gives to a secret, in the syntax of Python, shell, Docker or YAML.
ASSIGNED = re.compile(
    r"""\b(SECRET_KEY|JWT_SIGNING_KEY|OTP_PEPPER|RAZORPAY_KEY_SECRET|RAZORPAY_WEBHOOK_SECRETS|MSG91_AUTH_KEY|DEV_KEY_SECRET|"""
    r"""DEV_WEBHOOK_SECRET|DEV_MSG91_AUTH_KEY)["']?[ ]*[:=][ ]*(?:"([^"\n]{8,})"|'([^'\n]{8,})'|([\w+/.-]{8,})(?=\s|$))"""
)
OF_SANDBOX = {
    "DEV_KEY_SECRET": "RAZORPAY_KEY_SECRET",
    "DEV_WEBHOOK_SECRET": "RAZORPAY_WEBHOOK_SECRETS",
    "DEV_MSG91_AUTH_KEY": "MSG91_AUTH_KEY",
}


def published_secrets() -> list[tuple[str, str, str]]:
    """Return file, variable and value of each secret that stands in the repository, but for those of these tests."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    ).stdout.splitlines()
    names = listed or [
        str(path.relative_to(ROOT)) for path in [*ROOT.glob("*"), *ROOT.glob("*/**/*.py")] if path.is_file()
    ]
    found = []
    for name in names:
        if name == "tests/config/test_settings.py" or not (path := ROOT / name).is_file():
            continue
        for variable, *values in ASSIGNED.findall(path.read_text(errors="ignore")):
            value = "".join(values)
            if not re.fullmatch(r"[a-z_.]+\.[A-Z0-9_]+|[A-Z0-9_]{8,}|.*[{(].*", value):  # another name, or computed
                found.append((name, OF_SANDBOX.get(variable, variable), value))
    return found


class TestPublishedSecrets:
    def test_no_secret_of_the_repository_starts_production(self) -> None:
        published = published_secrets()

        assert {"Dockerfile", "config/settings/test.py", "devtools/environment.py", "sandbox/settings.py"} <= {
            name for name, _, _ in published
        }
        for name, variable, value in published:
            said = refused(PRODUCTION, **{variable: value})
            assert any(sentence.startswith(f"{variable} ") for sentence in said), (name, variable, said)

    def test_no_example_of_a_secret_starts_production(self) -> None:
        for name in ("SECRET_KEY", "JWT_SIGNING_KEY", "OTP_PEPPER", "RAZORPAY_KEY_SECRET", "MSG91_AUTH_KEY"):
            assert f"\n{name}=\n" in (ROOT / ".env.example").read_text()


class TestExample:
    def test_it_is_written_from_the_variables(self) -> None:
        assert (ROOT / ".env.example").read_text() == example.write_example(), "run `make env-example`"

    def test_it_has_every_variable_once(self) -> None:
        text = (ROOT / ".env.example").read_text()

        assert re.findall(r"^#?([A-Z0-9_]+)=", text, re.MULTILINE) == list(environment.Environment.model_fields)

    def test_each_example_is_a_value_that_is_accepted(self) -> None:
        given = dict(re.findall(r"^#?([A-Z0-9_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE))
        not_files = {name: value for name, value in given.items() if name != "SELLER_LOGO_PATH"}

        read = environment.read({**STAGING, **not_files, "ENVIRONMENT": "staging", "RAZORPAY_KEY_ID": "rzp_test_x"})

        assert read.given >= set(not_files)

    def test_devtools_knows_every_variable(self) -> None:
        assert [name for name in environment.Environment.model_fields if not is_bahi_variable(name)] == []

    def test_the_readme_names_what_must_be_set(self) -> None:
        written = re.split(r"\n\n", (ROOT / ".env.example").read_text())
        required = {
            found[1]
            for text in written
            if (found := re.search(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)) and re.search(r"\bRequired\b", text)
        }
        section = (ROOT / "README.md").read_text().split("\n## Settings\n")[1].split("\n## ")[0]
        rows = [line for line in section.splitlines() if line.startswith("| `")]

        assert len(required) >= 14
        assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", "".join(rows))) == required


class TestChooseEnvironment:
    @pytest.mark.parametrize(
        ("variables", "module"),
        [
            ({"ENVIRONMENT": "local"}, "config.settings.local"),
            ({"ENVIRONMENT": "test"}, "config.settings.test"),
            ({"ENVIRONMENT": "staging"}, "config.settings.production"),
            ({"ENVIRONMENT": "production"}, "config.settings.production"),
            ({"ENVIRONMENT": "prod"}, "config.settings.production"),
            ({}, "config.settings.production"),
        ],
    )
    def test_it_chooses_the_settings_module(self, variables: dict[str, str], module: str) -> None:
        assert settings_module(variables) == module

    @pytest.mark.parametrize(
        ("module", "name"),
        [
            ("config.settings.local", "local"),
            ("config.settings.test", "test"),
            ("config.settings.base", "local"),
            ("config.settings.production", "production"),
            ("shop.settings", "production"),
            (None, "production"),
        ],
    )
    def test_without_it_the_settings_module_decides(self, module: str | None, name: str) -> None:
        given = {**PRODUCTION, **({"DJANGO_SETTINGS_MODULE": module} if module else {})}
        del given["ENVIRONMENT"]

        assert name == environment.read(given).ENVIRONMENT

    @pytest.mark.parametrize("module", ["config.settings.local", "config.settings.test", "config.settings.base"])
    def test_settings_of_another_environment_are_refused(self, module: str) -> None:
        assert refused(PRODUCTION, DJANGO_SETTINGS_MODULE=module) == [
            (
                "DJANGO_SETTINGS_MODULE must be config.settings.production where ENVIRONMENT is production, but it is "
                f"'{module}'; for example DJANGO_SETTINGS_MODULE=config.settings.production."
            )
        ]


class TestSecretFiles:
    def test_a_file_may_hold_a_secret(self, tmp_path: Path) -> None:
        secret = made_secret()
        (tmp_path / "key").write_text(f"{secret}\n")

        read = environment.read({**LOCAL, "SECRET_KEY": "", "SECRET_KEY_FILE": str(tmp_path / "key")})

        assert secret == read.SECRET_KEY

    def test_a_secret_that_is_set_twice_is_refused(self, tmp_path: Path) -> None:
        assert refused(LOCAL, OTP_PEPPER_FILE=str(tmp_path)) == [
            f"OTP_PEPPER is set twice, by OTP_PEPPER and by OTP_PEPPER_FILE; for example {SECRET}."
        ]

    def test_a_file_that_cannot_be_read_is_refused(self) -> None:
        assert refused(LOCAL, OTP_PEPPER=None, OTP_PEPPER_FILE="/nowhere/pepper") == [
            (
                "OTP_PEPPER cannot be read from '/nowhere/pepper', which OTP_PEPPER_FILE names (No such file or directory); "
                f"for example {SECRET}."
            )
        ]


class TestMisspeltNames:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("CORS_ALLOW_ORIGINS", "CORS_ALLOWED_ORIGINS"),
            ("TRUSTED_PROXY_HOP", "TRUSTED_PROXY_HOPS"),
            ("OTP_PEPPER_FALLBACK", "OTP_PEPPER_FALLBACKS"),
            ("METRIC_TOKEN_FILE", "METRICS_TOKEN_FILE"),
        ],
    )
    def test_a_name_that_is_nearly_one_of_ours_is_told_and_ends_nothing(
        self, name: str, meant: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv(meant, raising=False)
        monkeypatch.setenv(name, "1")

        environment.read_or_exit()

        assert f"{name} is not a variable of Bahi and has no effect. Did you mean {meant}?\n" == capsys.readouterr().err

    @pytest.mark.parametrize("name", ["HOSTNAME", "PGPORT", "REDIS_PORT", "SECRET_KEY_BASE", "LOG_FILE", "PATH"])
    def test_other_names_are_another_programs(
        self, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv(name, os.environ.get(name, "1"))

        environment.read_or_exit()

        assert capsys.readouterr().err == ""

    def test_a_name_next_to_one_that_is_set_is_not_told(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("TRUSTED_PROXY_HOP", "1")
        monkeypatch.setenv("TRUSTED_PROXY_HOPS", "1")

        environment.read_or_exit()

        assert capsys.readouterr().err == ""


class TestServers:
    def test_a_database_is_read(self) -> None:
        assert servers.read_database(
            "postgres://b%40hi:p%2Fw@DB.example:6432/bahi?sslmode=require"
        ) == servers.Database(
            name="bahi", user="b@hi", password="p/w", host="db.example", port="6432", options={"sslmode": "require"}
        )

    def test_the_directory_of_a_socket_keeps_its_letters(self) -> None:
        assert servers.read_database("postgres://postgres@%2FTmp%2FDir/bahi").host == "/Tmp/Dir"

    @pytest.mark.parametrize(
        ("url", "broker_url"),
        [
            ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
            ("redis://redis.example:6379/1", "redis://redis.example:6379/1"),
            ("rediss://redis.example:6379/1", "rediss://redis.example:6379/1?ssl_cert_reqs=required"),
            (
                "rediss://:p%2Fw@redis.example/1?ssl_ca_certs=/etc/redis/ca.pem",
                "rediss://:p%2Fw@redis.example/1?ssl_ca_certs=/etc/redis/ca.pem&ssl_cert_reqs=required",
            ),
        ],
    )
    def test_a_broker_has_its_own_url(self, url: str, broker_url: str) -> None:
        assert servers.read_redis(url).broker_url == broker_url

    def test_a_broker_with_tls_must_show_its_certificate(self) -> None:
        broker_url = servers.read_redis("rediss://redis.example:6379/1").broker_url

        assert Connection(broker_url).ssl == {"ssl_cert_reqs": ssl.CERT_REQUIRED}

    @pytest.mark.parametrize(
        ("url", "port", "use_tls", "use_ssl"),
        [
            ("smtp://127.0.0.1", 25, False, False),
            ("smtp+tls://mail.example", 587, True, False),
            ("smtp+ssl://mail.example", 465, False, True),
            ("smtps://mail.example", 465, False, True),
            ("smtp+ssl://mail.example:2465", 2465, False, True),
        ],
    )
    def test_a_mail_server_has_its_usual_port(self, url: str, port: int, use_tls: bool, use_ssl: bool) -> None:
        server = servers.read_mail_server(url)

        assert (server.port, server.use_tls, server.use_ssl) == (port, use_tls, use_ssl)


SHOW = (
    "import django; django.setup(); from django.conf import settings as s;"
    "print(s.ENVIRONMENT, s.SESSION_COOKIE_SECURE, s.REFRESH_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.DEBUG,"
    " s.IS_STRICT, s.DEFAULT_FROM_EMAIL)"
)
WORKER = ["-m", "celery", "-A", "config.celery", "worker"]
PROCESSES = {
    "manage.py": ["manage.py", "check"],
    "relay": ["manage.py", "relay"],
    "web": ["-m", "gunicorn", "-c", "config/gunicorn.py", "config.wsgi"],
    "worker": [*WORKER, "--concurrency", "1"],
    "beat": ["-m", "celery", "-A", "config.celery", "beat"],
    "make run": ["-m", "devtools", "run"],
    "bin/bahi": ["-m", "devtools", "manage", "audit"],
}


def start(command: list[str], variables: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


class TestStart:
    @pytest.mark.parametrize("variables", [PRODUCTION, STAGING], ids=lambda each: each["ENVIRONMENT"])
    def test_production_and_staging_are_strict(self, variables: dict[str, str]) -> None:
        result = start(["-c", SHOW], {**variables, "DJANGO_SETTINGS_MODULE": "config.settings.production"})

        assert result.returncode == 0, result.stderr
        assert result.stdout.strip() == (
            f"{variables['ENVIRONMENT']} True True 31536000 False True Asha Textiles <no-reply@api.shop.example>"
        )

    @pytest.mark.parametrize("name", PROCESSES)
    def test_a_wrong_value_ends_every_process_with_a_sentence(self, name: str) -> None:
        variables = {
            **(LOCAL if name in ("make run", "bin/bahi") else PRODUCTION),
            "REFUND_APPROVAL_THRESHOLD_PAISE": "-1",
        }

        result = start(PROCESSES[name], variables)

        assert (result.returncode, result.stderr) == (
            2,
            (
                "REFUND_APPROVAL_THRESHOLD_PAISE must be a whole number of paise from 0 to 100000000000, but it is '-1'; "
                "for example REFUND_APPROVAL_THRESHOLD_PAISE=1000000.\n"
            ),
        )
        assert result.stdout == ""


BANK = '{"account_name": "Bahi LLP", "account_number": "000012345678", "ifsc": "SBIN0000454", "bank": "State Bank of India"}'


class TestSeller:
    def test_the_seller_may_show_logo_bank_details_and_terms(self, tmp_path: Path) -> None:
        logo = tmp_path / "logo.svg"
        logo.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

        assert seller.read_logo_path(str(logo)) == logo
        assert seller.read_logo_path("") is None
        assert seller.read_bank_details(BANK) == {
            "account_name": "Bahi LLP",
            "account_number": "000012345678",
            "ifsc": "SBIN0000454",
            "bank": "State Bank of India",
            "branch": "",
        }
        assert seller.read_bank_details("") is None
        assert seller.read_terms("Exchange within 7 days.\\n\nCourts of Pune. ") == [
            "Exchange within 7 days.",
            "Courts of Pune.",
        ]
        assert seller.read_terms("") == []

    @pytest.mark.parametrize(
        ("name", "value", "problem"),
        [
            ("SELLER_LOGO_PATH", "/nowhere/logo.png",
             "names '/nowhere/logo.png', which cannot be read (No such file or directory)"),
            ("SELLER_LOGO_PATH", "/etc/passwd", "must name a .png, .jpg or .svg file, but it is '/etc/passwd'"),
            ("SELLER_BANK_DETAILS", "SBIN", "is not JSON"),
            ("SELLER_BANK_DETAILS", "[]", "must be a JSON object"),
            ("SELLER_BANK_DETAILS", '{"upi": "x"}',
             "has 'upi'; it may have account_name, account_number, ifsc, bank, branch only"),
            ("SELLER_BANK_DETAILS", BANK.replace("SBIN0", "SBIN1"), "needs ifsc (an IFSC such as SBIN0000454)"),
            ("SELLER_BANK_DETAILS", BANK.replace("0000123", "x"), "needs account_number (9 to 18 digits)"),
            ("SELLER_TERMS", "x" * 301, "may have 12 lines at most, of 300 characters each at most"),
        ],
    )  # fmt: skip
    def test_what_the_seller_shows_is_checked_at_the_start(self, name: str, value: str, problem: str) -> None:
        [sentence] = refused(LOCAL, **{name: value})

        assert sentence.startswith(f"{name} {problem}; for example {name}=")

    @pytest.mark.parametrize(
        ("name", "content", "sentence"),
        [
            ("logo.png", b"GIF89a", "not the kind of picture that its name says"),
            ("logo.svg", b"<svg>" + b" " * 500_000, "more than 500,000 bytes"),
        ],
    )
    def test_a_logo_must_be_a_small_picture(self, tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
        (tmp_path / name).write_bytes(content)

        with pytest.raises(ValueError, match=sentence):
            seller.read_logo_path(str(tmp_path / name))
