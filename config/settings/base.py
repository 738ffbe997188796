"""
Settings that hold everywhere. Every value that may differ comes from the typed environment (`environment`) and nowhere else.

A missing, wrong or unsafe value ends the process with exit code 2 and a sentence that names it.
"""

import multiprocessing
from datetime import timedelta
from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from apps.core.logs import set_up_logs
from config.settings import environment
from config.settings.api import *
from config.settings.colours import COLOURS
from config.settings.cors import *
from config.settings.environment.servers import Database

BASE_DIR = Path(__file__).resolve().parent.parent.parent
env = environment.read_or_exit()


# What and where -------------------------------------------------------------------------------------------------------

ENVIRONMENT = env.ENVIRONMENT
SECRET_KEY = env.SECRET_KEY
SECRET_KEY_FALLBACKS = env.SECRET_KEY_FALLBACKS
JWT_SIGNING_KEY = env.JWT_SIGNING_KEY
JWT_SIGNING_KEY_FALLBACKS = env.JWT_SIGNING_KEY_FALLBACKS
OTP_PEPPER = env.OTP_PEPPER
OTP_PEPPER_FALLBACKS = env.OTP_PEPPER_FALLBACKS
METRICS_TOKEN = env.METRICS_TOKEN
DEBUG = False
IS_STRICT = env.is_strict  # in staging and production
ALLOWED_HOSTS = env.ALLOWED_HOSTS
PUBLIC_URL = env.PUBLIC_URL
TRUSTED_PROXY_HOPS = env.TRUSTED_PROXY_HOPS
CORS_ALLOWED_ORIGINS = env.CORS_ALLOWED_ORIGINS  # `cors` says what their pages may send and read
SHOP_NAME = env.SHOP_NAME

INSTALLED_APPS = [
    "unfold.apps.BasicAppConfig",
    "config.apps.CeleryConfig",
    "apps.core.apps.BackOfficeConfig",
    "apps.accounts",  # before auth, whose `changepassword` and `createsuperuser` it replaces
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
    "corsheaders",
    "apps.core",
    "apps.tax",
    "apps.catalog",
    "apps.ledger",
    "apps.orders",
    "apps.payments",
    "apps.invoicing",
    "apps.fulfilment",
    "apps.settlements",
    "apps.notifications",
    "apps.backoffice",
]

MIDDLEWARE = [
    "apps.core.api.middleware.RequestIdMiddleware",
    "apps.core.api.security_headers.SecurityHeadersMiddleware",  # outside of whatever answers
    "apps.core.api.middleware.OriginMiddleware",  # outside of whatever refuses: pages of other origins may read errors too
    "apps.core.api.middleware.ProxyHeaderMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "apps.core.api.middleware.PageSessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "apps.core.api.middleware.RequestBodyMiddleware",
    "apps.core.api.middleware.PageCsrfMiddleware",
    "apps.core.api.middleware.PageAuthenticationMiddleware",
    "apps.core.api.middleware.PageMessageMiddleware",
    "apps.core.admin_sessions.BackOfficeSessionMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
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
UNSUBSCRIBED = "config.subscriptions.UNSUBSCRIBED"
PROJECTED = "config.subscriptions.PROJECTED"
INVARIANTS = "config.invariants.INVARIANTS"
RECENT_ROWS = "config.invariants.RECENT_ROWS"
RECORDED_FIELDS = "config.invariants.RECORDED_FIELDS"
GAUGES = "config.metrics.GAUGES"
REFERENCE_DATA = "config.reference_data.STEPS"
QUEUES = "config.queues.QUEUES"

# Postgres holds the truth ----------------------------------------------------------------------------------------------


def _database(server: Database, **session: int | str) -> dict[str, Any]:
    """Return Django's settings of a database, whose sessions begin with these settings of Postgres."""
    return {
        "ENGINE": "apps.core.postgres",
        "NAME": server.name,
        "USER": server.user,
        "PASSWORD": server.password,
        "HOST": server.host,
        "PORT": server.port,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": False,
        "OPTIONS": {
            # A connection whose other end has vanished without a word is found within a minute (apps/core/postgres).
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            **server.options,
            "connect_timeout": 2,
            "application_name": "bahi",
            "options": " ".join(f"-c {name}={value}" for name, value in session.items()),
        },
    }


_SESSION = {
    "statement_timeout": env.DB_STATEMENT_TIMEOUT_MS,
    "lock_timeout": env.DB_LOCK_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": env.DB_IDLE_IN_TRANSACTION_TIMEOUT_MS,
}
DATABASES = {"default": _database(env.DATABASE_URL, **_SESSION)}
REPLICA_MAX_LAG_SECONDS = env.REPLICA_MAX_LAG_SECONDS
if env.DATABASE_REPLICA_URL is not None:
    DATABASES["replica"] = _database(env.DATABASE_REPLICA_URL, **_SESSION, default_transaction_read_only="on")
    DATABASE_ROUTERS = ["apps.core.replica.Router"]

#: What opens connections to it, for the budget that `manage.py check` compares with what Postgres allows.
WEB_PROCESSES = env.WEB_CONCURRENCY or multiprocessing.cpu_count()
WEB_THREADS = env.WEB_THREADS
WORKER_CONCURRENCY = env.WORKER_CONCURRENCY

HOT_PATH = env.HOT_PATH  # orm, or: sql

#: The urgent queues, and for how long (seconds) the oldest work of each may have waited while new orders are taken; 0 is for ever.
MAX_QUEUE_WAIT_SECONDS = {"buyer": env.MAX_BUYER_WAIT_SECONDS, "money": env.MAX_MONEY_WAIT_SECONDS}

# Redis holds hints, caches and counters ----------------------------------------------------------------------------------

REDIS_URL = env.REDIS_URL.url
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

RESPONSE_CACHE_BYTES = env.RESPONSE_CACHE_MIB * 1024 * 1024
RESPONSE_CACHES = "config.caches.RESPONSE_CACHES"

CELERY_BROKER_URL = env.REDIS_URL.broker_url
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_SOFT_TIME_LIMIT = 50
CELERY_TASK_TIME_LIMIT = 60
CELERY_ACCEPT_CONTENT = ["json"]
BEAT_SCHEDULE_FILE = env.BEAT_SCHEDULE_FILE
CELERY_TIMEZONE = "Asia/Kolkata"
CELERY_DB_REUSE_MAX = 1000
CELERY_WORKER_MAX_TASKS_PER_CHILD = 5000
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: worker and clock wait for their broker, as the relay does
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a broker that is full, read-only or busy refuses commands
CELERY_WORKER_POOL = "apps.core.worker:ReconnectingTaskPool"
CELERY_WORKER_CONSUMER = "apps.core.worker:BrokerWaitingConsumer"
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 300,
    "unacked_restore_interval": 10,
    "queue_order_strategy": "apps.core.queues:PriorityCycle",
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
REFRESH_FAMILY_LIFETIME = timedelta(days=30)  # since the log-in, however often its tokens are refreshed
REFRESH_GRACE = timedelta(seconds=15)
REFRESH_COOKIE_SECURE = True
KNOWN_DEVICE_TTL = timedelta(days=env.KNOWN_DEVICE_TTL_DAYS)  # since the last log-in there
SIGN_UP_COUNTRIES = env.SIGN_UP_COUNTRIES
OTP_REQUESTS_PER_NETWORK_PER_HOUR = env.OTP_REQUESTS_PER_NETWORK_PER_HOUR
OTP_REQUESTS_PER_PREFIX_PER_DAY = env.OTP_REQUESTS_PER_PREFIX_PER_DAY
OTP_REQUESTS_PER_DAY = env.OTP_REQUESTS_PER_DAY
CUSTOMER_WRITES_PER_MINUTE = env.CUSTOMER_WRITES_PER_MINUTE  # of each person; reading is not counted
STAFF_WRITES_PER_MINUTE = env.STAFF_WRITES_PER_MINUTE
ADMIN_SESSION_IDLE = timedelta(minutes=30)
ADMIN_SESSION_LIFETIME = timedelta(hours=8)
SESSION_COOKIE_AGE = int(ADMIN_SESSION_LIFETIME.total_seconds())
CONTACT_DETAILS_PERMISSION = "accounts.manage_users"  # reads phone numbers and e-mail addresses whole
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # a cookie would hold names and contacts
SESSION_COOKIE_SAMESITE = "Strict"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# The outside world -------------------------------------------------------------------------------------------------------

PAYMENT_GATEWAY = "razorpay"  # new payments go there; the others go on with what they have begun
PAYMENT_GATEWAYS = {"razorpay": "apps.payments.gateways.razorpay.adapter.Razorpay"}
RAZORPAY_BASE_URL = env.RAZORPAY_BASE_URL
RAZORPAY_KEY_ID = env.RAZORPAY_KEY_ID
RAZORPAY_KEY_SECRET = env.RAZORPAY_KEY_SECRET
RAZORPAY_WEBHOOK_SECRETS = env.RAZORPAY_WEBHOOK_SECRETS
#: Ours, such as acc_NQxjAAAAAAAAAA: what a webhook says of another account is never booked. Without it accounts are not compared.
RAZORPAY_ACCOUNT_ID = env.RAZORPAY_ACCOUNT_ID
PAYMENT_WEBHOOK_GRACE = timedelta(minutes=env.PAYMENT_WEBHOOK_GRACE_MINUTES)  # then one is missing
RAZORPAY_S2S_UPI = env.RAZORPAY_S2S_UPI
SANDBOX_URL = env.SANDBOX_URL or ""  # of a rehearsal, whose books can be held against ours
MSG91_BASE_URL = env.MSG91_BASE_URL
MSG91_AUTH_KEY = env.MSG91_AUTH_KEY
MSG91_OTP_TEMPLATE_ID = env.MSG91_OTP_TEMPLATE_ID
MSG91_FLOW_TEMPLATE_IDS = env.MSG91_FLOW_TEMPLATE_IDS

EMAIL_BACKEND = "apps.core.mail.EmailBackend"
EMAIL_HOST = env.EMAIL_URL.host
EMAIL_PORT = env.EMAIL_URL.port
EMAIL_HOST_USER = env.EMAIL_URL.user
EMAIL_HOST_PASSWORD = env.EMAIL_URL.password
EMAIL_USE_TLS = env.EMAIL_URL.use_tls
EMAIL_USE_SSL = env.EMAIL_URL.use_ssl
EMAIL_TIMEOUT = 10  # seconds between two pieces; the backend bounds the whole
_SENDER_HOST = urlsplit(PUBLIC_URL).hostname if env.is_strict else "bahi.example"
DEFAULT_FROM_EMAIL = env.DEFAULT_FROM_EMAIL or formataddr((SHOP_NAME, f"no-reply@{_SENDER_HOST}"))
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# How long things last ----------------------------------------------------------------------------------------------------

ORDER_TTL = timedelta(minutes=env.ORDER_TTL_MINUTES)
ERASURE_HOLD = timedelta(days=env.ERASURE_HOLD_DAYS)  # an order may be delivered, returned or claimed for until then
RETURN_WINDOW = timedelta(days=env.RETURN_WINDOW_DAYS)  # a completed order is closed then
MAX_UNPAID_ORDERS_PER_CUSTOMER = env.MAX_UNPAID_ORDERS_PER_CUSTOMER
MAX_UNPAID_UNITS_PER_VARIANT = env.MAX_UNPAID_UNITS_PER_VARIANT
MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN = env.MAX_UNPAID_UNITS_PER_VARIANT_WITH_GSTIN
SETTLEMENT_OVERDUE_AFTER = timedelta(days=env.SETTLEMENT_OVERDUE_AFTER_DAYS)
PAYMENT_TTL = timedelta(minutes=env.PAYMENT_TTL_MINUTES)
PAYMENT_LINK_TTL = timedelta(minutes=env.PAYMENT_LINK_TTL_MINUTES)  # a QR code two hours at most

# Refunds and late payments -----------------------------------------------------------------------------------------------

REFUND_APPROVAL_THRESHOLD_PAISE = env.REFUND_APPROVAL_THRESHOLD_PAISE  # paise; over it a second person must agree
ACCEPT_PAYER_FEE = env.ACCEPT_PAYER_FEE  # of a payer who bore the gateway's fee, to the paisa
REVIEW_OVERDUE_AFTER = timedelta(hours=env.REVIEW_OVERDUE_AFTER_HOURS)  # money that nobody decided about
DISPUTE_REMINDER_HOURS = env.DISPUTE_REMINDER_HOURS  # warnings before the deadline
LATE_PAYMENT_POLICY = env.LATE_PAYMENT_POLICY  # an expired order, if its stock is there; or: refund

# What sending costs the buyer, in the terms of the prices; nothing unless set --------------------------------------------

SHIPPING_FLAT_RATE_PAISE = env.SHIPPING_FLAT_RATE_PAISE
INVOICE_AT = env.INVOICE_AT  # payment, or: dispatch
HSN_MIN_DIGITS = env.HSN_MIN_DIGITS  # by turnover: 6 above ₹5 crore a year, 8 for exports

# What the seller's documents show besides the sale ----------------------------------------------------------------------

SELLER_LOGO_PATH = env.SELLER_LOGO_PATH
SELLER_BANK_DETAILS = env.SELLER_BANK_DETAILS
SELLER_TERMS = env.SELLER_TERMS

# Files, pages, languages -------------------------------------------------------------------------------------------------

DOCUMENTS_DIR = env.DOCUMENTS_DIR
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(DOCUMENTS_DIR)}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
MEDIA_URL = ""
STATIC_URL = "/static/"
# None where nothing was collected: WhiteNoise then serves the files from where the packages keep them.
STATIC_ROOT = env.STATIC_ROOT
WHITENOISE_USE_FINDERS = True
LANGUAGE_CODE = "en-in"
LANGUAGES = [("en", "English")]  # Django has a hundred, and names each of them on each page of the back office
TIME_ZONE = "Asia/Kolkata"
USE_TZ = True
USE_I18N = True
FORMAT_MODULE_PATH = ["config.formats"]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
DATA_UPLOAD_MAX_NUMBER_FIELDS = 500

# The back office: how it looks; apps/backoffice/admin/dashboard.py has what is on it ------------------------------------

UNFOLD = {
    "SITE_TITLE": SHOP_NAME,
    "SITE_HEADER": SHOP_NAME,
    "SITE_SUBHEADER": "Back office",
    "SITE_SYMBOL": "menu_book",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "ENVIRONMENT": "apps.backoffice.admin.dashboard.environment",
    "DASHBOARD_CALLBACK": "apps.backoffice.admin.dashboard.dashboard",
    "SIDEBAR": {"show_search": True, "navigation": "apps.backoffice.admin.dashboard.sidebar"},
    "COLORS": COLOURS,
}

# Logs --------------------------------------------------------------------------------------------------------------------

LOG_FORMAT = env.LOG_FORMAT
LOG_LEVEL = env.LOG_LEVEL

LOGGING = set_up_logs(form=LOG_FORMAT, level=LOG_LEVEL)
