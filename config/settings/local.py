"""One machine, one developer: plain HTTP, readable logs. The development secrets come from `bin/bahi` and `make`."""

from config.settings.base import *

INSTALLED_APPS = [*INSTALLED_APPS, "devtools"]
ALLOWED_HOSTS = [*ALLOWED_HOSTS, "testserver"]
REFRESH_COOKIE_SECURE = False
CSRF_TRUSTED_ORIGINS = ["http://127.0.0.1:8000", "http://localhost:8000"]
