"""
Settings that hold everywhere. Every value that may differ comes from the environment, read here and nowhere else.

A missing or unsafe value stops the start with a sentence that names it.
"""

from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

from apps.core.logs import set_up_logs
from config.settings import seller
from config.settings.colours import COLOURS

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environ.Env()


def required(name: str, *, least: int = 1) -> str:
    """Return a variable that Bahi cannot start without."""
    value: str = env.str(name, default="")
    if len(value) < least:
        raise ImproperlyConfigured(
            f"{name} is not set." if not value else f"{name} is too short: at least {least} characters are needed."
        )
    return value


# What and where -------------------------------------------------------------------------------------------------------

SECRET_KEY = required("SECRET_KEY", least=32)
JWT_SIGNING_KEY = required("JWT_SIGNING_KEY", least=32)
OTP_PEPPER = required("OTP_PEPPER", least=32)
DEBUG = False
IS_PRODUCTION = False
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"])
PUBLIC_URL = env.str("PUBLIC_URL", default="http://127.0.0.1:8000").rstrip("/")
TRUSTED_PROXY_HOPS = env.int("TRUSTED_PROXY_HOPS", default=0)
SHOP_NAME = env.str("SHOP_NAME", default="Bahi")

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "apps.core.apps.BackOfficeConfig",
    "apps.accounts",  # before auth, whose `changepassword` it replaces
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "apps.core",
    "apps.tax",
    "apps.catalog",
    "apps.orders",
    "apps.payments",
    "apps.invoicing",
    "apps.notifications",
]

MIDDLEWARE = [
    "apps.core.api.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.core.api.middleware.RequestBodyMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# The maps: core finds them by name and never imports config ------------------------------------------------------------

SUBSCRIPTIONS = "config.subscriptions.HANDLERS"
UNHEARD = "config.subscriptions.UNHEARD"
INVARIANTS = "config.invariants.INVARIANTS"
GAUGES = "config.metrics.GAUGES"
REFERENCE_DATA = "config.reference_data.STEPS"
DEFAULT_QUEUE = "events"
QUEUE_OF_APP = {
    "payments": "payments",
    "notifications": "notifications",
    "invoicing": "documents",
    "accounts": "notifications",
}

# Postgres holds the truth ----------------------------------------------------------------------------------------------

required("DATABASE_URL")
DATABASES = {"default": env.db("DATABASE_URL")}
DATABASES["default"].update(
    ENGINE="django.db.backends.postgresql",
    HOST=unquote(DATABASES["default"]["HOST"]),  # a Unix socket's directory stands percent-encoded in a URL
    CONN_MAX_AGE=None,
    CONN_HEALTH_CHECKS=True,
    DISABLE_SERVER_SIDE_CURSORS=False,
)
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "connect_timeout": 2,
    "application_name": "bahi",
    "options": " ".join(
        f"-c {name}={value}"
        for name, value in {
            "statement_timeout": env.int("DB_STATEMENT_TIMEOUT_MS", default=15_000),
            "lock_timeout": env.int("DB_LOCK_TIMEOUT_MS", default=5_000),
            "idle_in_transaction_session_timeout": env.int("DB_IDLE_TIMEOUT_MS", default=15_000),
        }.items()
    ),
}

# Redis holds hints, caches and counters ----------------------------------------------------------------------------------

REDIS_URL = required("REDIS_URL")


def _broker_url(url: str) -> str:
    """Return a Redis URL as Celery writes it: Unix sockets have a scheme of their own there."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    database = parse_qs(parts.query).get("db", ["0"])[0]
    return f"redis+socket://{unquote(parts.path)}?virtual_host={database}"


CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "bahi",
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "SOCKET_CONNECT_TIMEOUT": 0.5,
            "SOCKET_TIMEOUT": 0.5,
            "IGNORE_EXCEPTIONS": True,
        },
    }
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True
RATELIMIT_FAIL_OPEN = True  # the floor only: exact budgets are counted in Postgres and never open

CELERY_BROKER_URL = _broker_url(REDIS_URL)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_TIME_LIMIT = 60
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_DEFAULT_QUEUE = DEFAULT_QUEUE
CELERY_TIMEZONE = "Asia/Kolkata"
CELERY_DB_REUSE_MAX = 1000
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: worker and clock wait for their broker, as the relay does
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a broker that is full, read-only or busy refuses commands
CELERY_WORKER_CONSUMER = "apps.core.worker:PatientConsumer"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "socket_timeout": 30,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
}

# Who is who --------------------------------------------------------------------------------------------------------------

AUTHENTICATION_BACKENDS = ["apps.accounts.authentication.StaffBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.BCryptSHA256PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("name", "email", "phone")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "ALGORITHM": "HS256",
    "SIGNING_KEY": JWT_SIGNING_KEY,
    "ISSUER": "bahi",
    "AUDIENCE": "bahi-api",
    "USER_ID_CLAIM": "sub",
    "JTI_CLAIM": "jti",
    "TOKEN_TYPE_CLAIM": "typ",
    "LEEWAY": 0,
}
REFRESH_TOKEN_LIFETIME = timedelta(days=7)
REFRESH_GRACE = timedelta(seconds=15)
REFRESH_COOKIE_SECURE = True
SIGN_UP_COUNTRIES = env.list("SIGN_UP_COUNTRIES", default=["IN"])
CODES_PER_NETWORK_AND_HOUR = env.int("CODES_PER_NETWORK_AND_HOUR", default=20)
CODES_PER_PREFIX_AND_DAY = env.int("CODES_PER_PREFIX_AND_DAY", default=100)
CODES_PER_DAY = env.int("CODES_PER_DAY", default=20_000)
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The outside world -------------------------------------------------------------------------------------------------------

PAYMENT_GATEWAY = "razorpay"  # new payments go there; the others go on with what they have begun
PAYMENT_GATEWAYS = {"razorpay": "apps.payments.gateways.razorpay.Razorpay"}
RAZORPAY_BASE_URL = env.str("RAZORPAY_BASE_URL", default="https://api.razorpay.com")
RAZORPAY_KEY_ID = required("RAZORPAY_KEY_ID")
RAZORPAY_KEY_SECRET = required("RAZORPAY_KEY_SECRET")
RAZORPAY_WEBHOOK_SECRETS = [secret for secret in env.list("RAZORPAY_WEBHOOK_SECRETS", default=[]) if secret]
if not RAZORPAY_WEBHOOK_SECRETS:
    raise ImproperlyConfigured("RAZORPAY_WEBHOOK_SECRETS is not set: the current secret first, then the previous one.")
#: Ours, such as acc_NQxjAAAAAAAAAA: what a webhook says of another account is never booked. Without it accounts are not compared.
RAZORPAY_ACCOUNT_ID = env.str("RAZORPAY_ACCOUNT_ID", default="")
PAYMENT_WEBHOOK_GRACE = timedelta(minutes=env.int("PAYMENT_WEBHOOK_GRACE_MINUTES", default=10))  # then one is missing
RAZORPAY_S2S_UPI = env.bool("RAZORPAY_S2S_UPI", default=False)
SANDBOX_URL = env.str("SANDBOX_URL", default="")  # of a rehearsal, whose books can be held against ours
MSG91_BASE_URL = env.str("MSG91_BASE_URL", default="https://control.msg91.com")
MSG91_AUTH_KEY = required("MSG91_AUTH_KEY")
MSG91_OTP_TEMPLATE_ID = env.str("MSG91_OTP_TEMPLATE_ID", default="bahi_otp")
MSG91_FLOW_TEMPLATES = env.json("MSG91_FLOW_TEMPLATES", default={})

vars().update(env.email("EMAIL_URL", default="smtp://127.0.0.1:25"))
if vars()["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "apps.core.mail.EmailBackend"
EMAIL_TIMEOUT = 10  # seconds between two pieces; the backend bounds the whole
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Bahi <no-reply@bahi.example>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# How long things last ----------------------------------------------------------------------------------------------------

ORDER_EXPIRES_AFTER = timedelta(minutes=env.int("ORDER_EXPIRES_AFTER_MINUTES", default=30))
SETTLEMENT_OVERDUE_AFTER = timedelta(days=env.int("SETTLEMENT_OVERDUE_AFTER_DAYS", default=5))
PAYMENT_LIVE_FOR = timedelta(minutes=env.int("PAYMENT_LIVE_FOR_MINUTES", default=15))
PAYMENT_LINK_LASTS = timedelta(minutes=env.int("PAYMENT_LINK_LASTS", default=24 * 60))  # a QR code two hours at most
if not timedelta(minutes=15) <= PAYMENT_LINK_LASTS <= timedelta(days=180):
    raise ImproperlyConfigured("PAYMENT_LINK_LASTS is out of range: a payment link lasts from 15 minutes to 180 days.")

# Money that goes back, and money that comes late -------------------------------------------------------------------------

REFUND_APPROVAL_ABOVE = env.int("REFUND_APPROVAL_ABOVE", default=1_000_000)  # paise; over it a second person must agree
ACCEPT_CUSTOMER_FEE = env.bool(
    "ACCEPT_CUSTOMER_FEE", default=True
)  # of a payer who bore the gateway's fee, to the paisa
REVIEW_ALARM_AFTER = timedelta(hours=env.int("REVIEW_ALARM_AFTER_HOURS", default=24))  # money that nobody decided about
DISPUTE_ALARM_HOURS = env.list("DISPUTE_ALARM_HOURS", cast=int, default=[72, 24])  # warnings before the deadline
LATE_PAYMENT = env.str("LATE_PAYMENT", default="revive")  # an expired order, if its stock is there; or: refund

# What sending costs the buyer, in the terms of the prices; nothing unless set --------------------------------------------

SHIPPING_FLAT_PAISE = env.int("SHIPPING_FLAT_PAISE", default=0)
HSN_MIN_DIGITS = env.int("HSN_MIN_DIGITS", default=4)  # by turnover: 6 above ₹5 crore a year, 8 for exports
if HSN_MIN_DIGITS not in (4, 6, 8):
    raise ImproperlyConfigured(
        "HSN_MIN_DIGITS is 4, 6 or 8: as many digits of the HSN as the shop's documents must show."
    )

# What the seller's documents show besides the sale ----------------------------------------------------------------------

SELLER_LOGO_PATH = seller.read_logo_path(env.str("SELLER_LOGO_PATH", default=""))
SELLER_BANK_DETAILS = seller.read_bank_details(env.str("SELLER_BANK_DETAILS", default=""))
SELLER_TERMS = seller.read_terms(env.str("SELLER_TERMS", default=""))

# Files, pages, languages -------------------------------------------------------------------------------------------------

DOCUMENTS_DIR = Path(env.str("DOCUMENTS_DIR", default=str(BASE_DIR / "documents")))
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(DOCUMENTS_DIR)}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
MEDIA_URL = ""
STATIC_URL = "/static/"
# None where nothing was collected: WhiteNoise then serves the files from where the packages keep them.
STATIC_ROOT = Path(env.str("STATIC_ROOT")) if env.str("STATIC_ROOT", default="") else None
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en-in"
TIME_ZONE = "Asia/Kolkata"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# The API -----------------------------------------------------------------------------------------------------------------

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parser.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.api.renderer.ApiRenderer"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is refused: the schema describes the API, and no other origin calls it
    "EXCEPTION_HANDLER": "apps.core.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DATETIME_FORMAT": "%Y-%m-%dT%H:%M:%SZ",
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": False,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bahi API",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Order to cash for Indian businesses: accounts, catalogue, orders, payments, GST invoices, notifications.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # No validator: it would send the address of the schema to somebody else's server.
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "displayRequestDuration": True,
        "filter": True,
        "validatorUrl": None,
        "docExpansion": "list",
    },
    "REDOC_DIST": "SIDECAR",
    "SORT_OPERATIONS": False,
    "ENUM_NAME_OVERRIDES": {
        "OrderStatusEnum": "apps.orders.states.OrderStatus",
        "OrderPaymentStatusEnum": "apps.orders.states.PaymentStatus",
        "PaymentStatusEnum": "apps.payments.states.PaymentStatus",
        "PaymentChannelEnum": "apps.payments.states.PaymentChannel",
        "NotificationChannelEnum": "apps.notifications.states.Channel",
        "ProofKindEnum": "apps.payments.states.ProofKind",
        "AttemptStatusEnum": "apps.payments.states.AttemptStatus",
        "InvoiceStatusEnum": "apps.invoicing.states.InvoiceStatus",
        "RefundSpeedEnum": "apps.payments.states.RefundSpeed",
        "DifferenceReasonEnum": "apps.payments.states.DifferenceReason",
        "SendStatusEnum": "apps.accounts.states.SendStatus",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.api.schema.add_errors",
    ],
}

# The back office: how it looks; config/back_office.py has what is on it -------------------------------------------------

UNFOLD = {
    "SITE_TITLE": "Bahi",
    "SITE_HEADER": "Bahi",
    "SITE_SUBHEADER": SHOP_NAME if SHOP_NAME != "Bahi" else "Back office",
    "SITE_SYMBOL": "menu_book",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "ENVIRONMENT": "config.back_office.environment",
    "DASHBOARD_CALLBACK": "config.back_office.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "config.back_office.sidebar"},
    "COLORS": COLOURS,
}

# Logs --------------------------------------------------------------------------------------------------------------------

LOG_FORMAT = env.str("LOG_FORMAT", default="json")
LOG_LEVEL = env.str("LOG_LEVEL", default="INFO")

LOGGING = set_up_logs(form=LOG_FORMAT, level=LOG_LEVEL)
