"""The variables, by section: name, type with bounds, meaning, default and example."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel

from config.settings.environment import seller, servers, values
from config.settings.environment.fields import variable

ROOT = Path(__file__).resolve().parents[3]
_STRICT = "staging, production"


class Deployment(BaseModel):
    """What and where."""

    ENVIRONMENT: Annotated[str, values.one_of("local", "test", "staging", "production")] = variable(
        "one of local, test, staging and production; staging is as strict as production, with the gateway's test keys",
        "production",
    )
    ALLOWED_HOSTS: values.ServedHosts = variable(
        "the host names that clients use", "127.0.0.1,localhost", example="api.shop.example", needed=_STRICT
    )
    PUBLIC_URL: values.Origin = variable(
        "where clients reach Bahi; links in messages begin with it",
        "http://127.0.0.1:8000",
        example="https://api.shop.example",
        needed=_STRICT,
    )
    SHOP_NAME: Annotated[str, values.matching(r"[^\x00-\x1f\x7f<>]{1,60}", "1 to 60 characters without < and >")] = (
        variable(
            "the shop's name, as its customers know it; messages and pages carry it",
            "Bahi",
            example="Asha Textiles",
            needed=_STRICT,
        )
    )
    TRUSTED_PROXY_HOPS: Annotated[int, values.whole_number(0, 10)] = variable(
        "how many proxies are in front of Bahi; with 0 staging and production refuse requests with a proxy's header",
        "0",
        example="1",
    )
    PLAINTEXT_HOSTS: values.Hosts = variable(
        "the hosts on a private network that may be reached without TLS; this machine is always allowed",
        [],
        example="postgres,redis",
    )
    CORS_ALLOWED_ORIGINS: values.Origins = variable(
        "the origins whose pages may call the API from a browser; none unless set", [], example="https://shop.example"
    )


class Secrets(BaseModel):
    """Secrets. Each may also be named by a file: NAME_FILE=/run/secrets/name."""

    SECRET_KEY: Annotated[str, values.secret(32, different=10)] = variable(
        "signs sessions, forms and the cookie of known devices", secret=True
    )
    SECRET_KEY_FALLBACKS: Annotated[list[str], values.secrets(32, different=10)] = variable(
        "earlier keys, separated by commas; 90 days after a change (KNOWN_DEVICE_TTL_DAYS) nothing needs them",
        [],
        secret=True,
    )
    JWT_SIGNING_KEY: Annotated[str, values.secret(32, different=10)] = variable("signs access tokens", secret=True)
    JWT_SIGNING_KEY_FALLBACKS: Annotated[list[str], values.secrets(32, different=10)] = variable(
        "earlier keys, separated by commas; 7 days after a change nothing needs them", [], secret=True
    )
    OTP_PEPPER: Annotated[str, values.secret(32, different=10)] = variable(
        "keys the hashes of log-in codes", secret=True
    )
    OTP_PEPPER_FALLBACKS: Annotated[list[str], values.secrets(32, different=10)] = variable(
        "earlier peppers, separated by commas; a day after a change nothing needs them", [], secret=True
    )
    METRICS_TOKEN: Annotated[str, values.optional_secret(32, different=10)] = variable(
        "opens /metrics and the details of /readyz, as Authorization: Bearer; without it staging and production show neither",
        "",
        secret=True,
    )


class Https(BaseModel):
    """HTTPS in staging and production."""

    SECURE_SSL_REDIRECT: values.Bool = variable("whether requests by plain HTTP are redirected to HTTPS", "true")
    SECURE_HSTS_SECONDS: Annotated[int, values.whole_number(300, 63_072_000)] = variable(
        "how long a browser remembers to use HTTPS alone", "31536000"
    )
    SECURE_HSTS_INCLUDE_SUBDOMAINS: values.Bool = variable("whether that holds for the subdomains too", "true")


class Postgres(BaseModel):
    """Postgres holds the truth."""

    DATABASE_URL: servers.DatabaseUrl = variable(
        "the database; a Unix socket's directory is written percent-encoded in the place of the host",
        example="postgres://user:password@db.example:5432/bahi?sslmode=verify-full",
        secret=True,
    )
    DATABASE_REPLICA_URL: servers.DatabaseUrl | None = variable(
        "a streaming replica of that database, which answers reads that tolerate lag; without it the database answers all",
        None,
        example="postgres://user:password@replica.example:5432/bahi?sslmode=verify-full",
        secret=True,
    )
    REPLICA_MAX_LAG_SECONDS: Annotated[int, values.whole_number(1, 300)] = variable(
        "how far the replica may be behind the database and still be read", "10"
    )
    DB_STATEMENT_TIMEOUT_MS: Annotated[int, values.whole_number(1, 3_600_000)] = variable(
        "the longest statement", "15000"
    )
    DB_LOCK_TIMEOUT_MS: Annotated[int, values.whole_number(1, 3_600_000)] = variable(
        "the longest wait for a lock", "5000"
    )
    DB_IDLE_IN_TRANSACTION_TIMEOUT_MS: Annotated[int, values.whole_number(1, 3_600_000)] = variable(
        "the longest pause inside a transaction", "15000"
    )
    HOT_PATH: Annotated[str, values.one_of("orm", "sql")] = variable(
        "what runs orders, stock, payments and postings: the SQL that is registered for them, or the ORM",
        "sql",
    )


class Redis(BaseModel):
    """Redis holds hints, caches and counters."""

    REDIS_URL: servers.RedisUrl = variable(
        "the server; a Unix socket is written unix:///directory/socket?db=0",
        example="rediss://user:password@redis.example:6379/0",
        secret=True,
    )


class LogIn(BaseModel):
    """Log-in."""

    KNOWN_DEVICE_TTL_DAYS: Annotated[int, values.whole_number(1, 3_650)] = variable(
        "days since the last log-in on a device for which its attempts are counted apart from those of strangers", "90"
    )
    SIGN_UP_COUNTRIES: values.Countries = variable(
        "the countries whose mobile numbers may sign up", "IN", example="IN,AE"
    )
    OTP_REQUESTS_PER_NETWORK_PER_HOUR: Annotated[int, values.whole_number(1, 1_000_000)] = variable(
        "codes that one address (of IPv6: one /64 network) may request in an hour", "20"
    )
    OTP_REQUESTS_PER_PREFIX_PER_DAY: Annotated[int, values.whole_number(1, 1_000_000)] = variable(
        "codes that numbers with one prefix may request in a day", "100"
    )
    OTP_REQUESTS_PER_DAY: Annotated[int, values.whole_number(1, 10_000_000)] = variable(
        "codes in a day in all", "20000"
    )
    CUSTOMER_WRITES_PER_MINUTE: Annotated[int, values.whole_number(1, 100_000)] = variable(
        "requests of the API other than reading that a buyer may send in any 60 seconds", "60"
    )
    STAFF_WRITES_PER_MINUTE: Annotated[int, values.whole_number(1, 100_000)] = variable(
        "requests of the API other than reading that a member of staff may send in any 60 seconds", "600"
    )


class Gateway(BaseModel):
    """Razorpay."""

    RAZORPAY_BASE_URL: values.Url = variable("where its API is", "https://api.razorpay.com")
    RAZORPAY_KEY_ID: Annotated[str, values.matching(r"rzp_(live|test)_[A-Za-z0-9]+", "a key id of Razorpay")] = (
        variable("the account's key; production takes rzp_live_ alone", example="rzp_live_A1b2C3d4E5f6G7")
    )
    RAZORPAY_KEY_SECRET: Annotated[str, values.secret(16, different=8)] = variable(
        "that key's secret", secret=True, example="the key secret of Razorpay's dashboard"
    )
    RAZORPAY_WEBHOOK_SECRETS: Annotated[list[str], values.secrets(24, different=8)] = variable(
        "the current secret of the webhook, then the previous one, separated by a comma", secret=True
    )
    RAZORPAY_ACCOUNT_ID: Annotated[str, values.matching(r"(acc_[A-Za-z0-9]+)?", "an account id of Razorpay")] = (
        variable(
            "the shop's account: what webhooks report for another account is never posted; without it accounts are not compared",
            "",
            example="acc_A1b2C3d4E5f6G7",
        )
    )
    RAZORPAY_S2S_UPI: values.Bool = variable("whether the account has server-to-server UPI", "false")
    PAYMENT_WEBHOOK_GRACE_MINUTES: Annotated[int, values.whole_number(1, 1_440)] = variable(
        "polling results that no webhook has reported for this long open an incident", "10"
    )
    SANDBOX_URL: values.Url | None = variable(
        "the sandbox of a rehearsal, whose books are compared with Bahi's; never in production",
        None,
        example="http://127.0.0.1:9000",
    )


class Messages(BaseModel):
    """SMS and mail."""

    MSG91_BASE_URL: values.Url = variable("where MSG91's API is", "https://control.msg91.com")
    MSG91_AUTH_KEY: Annotated[str, values.secret(16, different=8)] = variable(
        "MSG91's key", secret=True, example="the auth key of MSG91's dashboard"
    )
    MSG91_OTP_TEMPLATE_ID: Annotated[str, values.matching(r"\S{1,100}", "an id of MSG91")] = variable(
        "the registered template of log-in codes", "bahi_otp"
    )
    MSG91_FLOW_TEMPLATE_IDS: values.Templates = variable(
        "the ids of the other registered templates, by name of the message",
        {},
        example='{"order_expired": "6564aa01d6fc05"}',
    )
    EMAIL_URL: servers.MailUrl = variable(
        "the mail server: smtp+tls for STARTTLS, smtp+ssl or smtps for TLS from the first byte",
        "smtp://127.0.0.1:25",
        example="smtp+tls://user:password@mail.example:587",
        secret=True,
        needed=_STRICT,
    )
    DEFAULT_FROM_EMAIL: values.Mailbox | None = variable(
        "the sender of mails; unless set SHOP_NAME with no-reply@ and the host of PUBLIC_URL",
        None,
        example="Asha Textiles <orders@shop.example>",
    )


class Money(BaseModel):
    """Orders, payments and money that is refunded."""

    ORDER_TTL_MINUTES: Annotated[int, values.whole_number(1, 43_200)] = variable(
        "how long an order waits for its payment", "30"
    )
    MAX_UNPAID_ORDERS_PER_CUSTOMER: Annotated[int, values.whole_number(1, 1_000_000)] = variable(
        "unpaid orders that a customer may have at a time", "5"
    )
    MAX_UNPAID_UNITS_PER_VARIANT: Annotated[int, values.whole_number(1, 1_000_000)] = variable(
        "units of a variant that a customer may have in unpaid orders", "50"
    )
    MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN: Annotated[int, values.whole_number(1, 1_000_000)] = variable(
        "the same for a customer one of whose addresses has a GSTIN", "500"
    )
    PAYMENT_TTL_MINUTES: Annotated[int, values.whole_number(1, 43_200)] = variable(
        "how long a payment waits for its payer", "15"
    )
    PAYMENT_LINK_TTL_MINUTES: Annotated[int, values.whole_number(15, 259_200)] = variable(
        "minutes that a payment link is valid; a QR code is valid for two hours at most", "1440"
    )
    LATE_PAYMENT_POLICY: Annotated[str, values.one_of("revive", "refund")] = variable(
        "what happens with a payment for an expired order: revive the order if its goods are in stock, or always refund",
        "revive",
    )
    SETTLEMENT_OVERDUE_AFTER_DAYS: Annotated[int, values.whole_number(1, 90)] = variable(
        "after this long, money that is in no settlement becomes an exception", "5"
    )
    REFUND_APPROVAL_THRESHOLD_PAISE: Annotated[int, values.whole_number(0, 100_000_000_000, of="paise")] = variable(
        "paise: above it a second person must approve", "1000000"
    )
    ERASURE_HOLD_DAYS: Annotated[int, values.whole_number(0, 3650)] = variable(
        "days after its confirmation during which an order keeps its customer from being erased", "30"
    )
    INVOICE_AT: Annotated[str, values.one_of("payment", "dispatch")] = variable(
        "when the invoice of an order is issued: when it is paid, or when the first of its goods leave", "payment"
    )
    RETURN_WINDOW_DAYS: Annotated[int, values.whole_number(0, 3650)] = variable(
        "days after its completion during which an order may be returned; then it is closed", "30"
    )
    ACCEPT_PAYER_FEE: values.Bool = variable(
        "whether a payment above the order's total is accepted if the difference is exactly the gateway's fee, which the payer bore",
        "true",
    )
    REVIEW_OVERDUE_AFTER_HOURS: Annotated[int, values.whole_number(1, 720)] = variable(
        "after this long, captured money without a decision raises an alarm", "24"
    )
    DISPUTE_REMINDER_HOURS: Annotated[list[int], values.whole_numbers(1, 720)] = variable(
        "hours before the deadline of a dispute at which finance is warned", "72,24"
    )
    SHIPPING_FLAT_RATE_PAISE: Annotated[int, values.whole_number(0, 10_000_000, of="paise")] = variable(
        "paise: what the buyer pays for shipping, with or without tax as the prices are", "0", example="4900"
    )


class Documents(BaseModel):
    """What the seller's documents show."""

    HSN_MIN_DIGITS: Annotated[int, values.one_of(4, 6, 8)] = variable(
        "digits of the HSN: 6 above ₹5 crore of turnover a year, 8 for exports", "4"
    )
    SELLER_LOGO_PATH: seller.LogoPath = variable(
        "a .png, .jpg or .svg file of at most 500,000 bytes", None, example="/srv/bahi/logo.svg"
    )
    SELLER_BANK_DETAILS: seller.BankDetails = variable(
        "the account for transfers, on invoices; branch may be left out",
        None,
        example='{"account_name": "Asha Textiles", "account_number": "000012345678", "ifsc": "SBIN0000454", '
        '"bank": "State Bank of India"}',
    )
    SELLER_TERMS: seller.Terms = variable(
        r"the terms at the end of invoices, one a line; \n ends a line",
        [],
        example=r"Exchange within 7 days.\nCourts of Pune.",
    )


class Files(BaseModel):
    """Files."""

    DOCUMENTS_DIR: values.AbsolutePath = variable(
        "where invoices are kept: a directory that is backed up",
        str(ROOT / "documents"),
        example="/var/lib/bahi/documents",
        needed=_STRICT,
    )
    STATIC_ROOT: values.AbsolutePath | None = variable(
        "where `collectstatic` puts the files of pages; without it they are served from where the packages keep them",
        None,
        example="/app/staticfiles",
    )


class Logs(BaseModel):
    """Logs."""

    LOG_FORMAT: Annotated[str, values.one_of("json", "console")] = variable(
        "the form of log lines: json for programs, console for people", "json"
    )
    LOG_LEVEL: Annotated[str, values.one_of("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")] = variable(
        "the least that is logged", "INFO"
    )


class Processes(BaseModel):
    """Processes."""

    HOST: Annotated[str, values.matching(r"[0-9A-Za-z_.:\[\]-]{1,253}", "an address or a host name")] = variable(
        "the address that the web process listens on",
        "127.0.0.1",
        example="0.0.0.0",  # noqa: S104
    )
    PORT: Annotated[int, values.whole_number(0, 65_535)] = variable(
        "the port that the web process listens on; 0 for any free one", "8000"
    )
    WEB_CONCURRENCY: Annotated[int, values.whole_number(1, 256)] | None = variable(
        "web processes; one a core unless set", None, example="4"
    )
    WEB_THREADS: Annotated[int, values.whole_number(1, 256)] = variable(
        "requests that one web process answers at the same time", "4"
    )
    WEB_REQUEST_DEADLINE_SECONDS: Annotated[int, values.whole_number(1, 24)] = variable(
        "within it a request must arrive whole, and a client must take its answer", "20"
    )
    RESPONSE_CACHE_MIB: Annotated[int, values.whole_number(0, 4_096)] = variable(
        "memory in MiB of each web process for responses that are the same for everybody; 0 stores none, in Redis neither",
        "16",
    )
    WORKER_CONCURRENCY: Annotated[int, values.whole_number(1, 256)] = variable(
        "children of one worker; from 2 on, one of them is kept free for what buyers wait for and for money", "3"
    )
    MAX_BUYER_WAIT_SECONDS: Annotated[int, values.whole_number(0, 86_400)] = variable(
        "how long the oldest payment or log-in code may wait for a worker before POST /orders and POST /payments answer 503; "
        "0 never refuses",
        "20",
    )
    MAX_MONEY_WAIT_SECONDS: Annotated[int, values.whole_number(0, 86_400)] = variable(
        "how long the oldest webhook or other work of the queue money may wait for a worker before orders and payments are refused; 0"
        " never refuses",
        "120",
    )
    BEAT_SCHEDULE_FILE: values.AbsolutePath = variable(
        "where the scheduler stores what it has started",
        "/tmp/bahi-beat-schedule",  # noqa: S108
        example="/var/lib/bahi/beat-schedule",
    )
