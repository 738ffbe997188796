"""Production: refuses to start with what is fit for development only."""

from django.core.exceptions import ImproperlyConfigured

from config.settings.base import *
from config.settings.environment import env

IS_PRODUCTION = True
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
SECURE_REDIRECT_EXEMPT = [r"^livez$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXY_HOPS else None
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]


def _refuse(is_unsafe: bool, sentence: str) -> None:
    if is_unsafe:
        raise ImproperlyConfigured(sentence)


_refuse("ALLOWED_HOSTS" not in env.ENVIRON, "ALLOWED_HOSTS is not set: name the hosts that clients use.")
_refuse("*" in ALLOWED_HOSTS, "ALLOWED_HOSTS may not be '*' in production.")
_refuse(not PUBLIC_URL.startswith("https://"), "PUBLIC_URL must begin with https:// in production.")
_refuse(len({SECRET_KEY, JWT_SIGNING_KEY, OTP_PEPPER}) < 3, "SECRET_KEY, JWT_SIGNING_KEY and OTP_PEPPER must differ.")
for _name in ("SECRET_KEY", "JWT_SIGNING_KEY", "OTP_PEPPER"):
    _refuse(len(set(vars()[_name])) < 10, f"{_name} is not random enough.")
_refuse("EMAIL_URL" not in env.ENVIRON, "EMAIL_URL is not set, for example smtp+tls://user:password@host:587.")
_refuse("DOCUMENTS_DIR" not in env.ENVIRON, "DOCUMENTS_DIR is not set: a directory that is backed up, for invoices.")
_refuse(not RAZORPAY_BASE_URL.startswith("https://"), "RAZORPAY_BASE_URL must begin with https:// in production.")
_refuse(not MSG91_BASE_URL.startswith("https://"), "MSG91_BASE_URL must begin with https:// in production.")
# Anybody can read these in the sandbox's source, and sign webhooks with them.
for _name in ("RAZORPAY_KEY_SECRET", "MSG91_AUTH_KEY", "RAZORPAY_WEBHOOK_SECRETS"):
    _refuse("sandbox" in str(vars()[_name]), f"{_name} holds a secret of the sandbox.")
