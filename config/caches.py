"""The caches of public responses: what each holds, by which key, how long, and what ends it."""

from apps.catalog.views import RESPONSES as CATALOG
from apps.core.api.response_cache import ResponseCache

RESPONSE_CACHES: tuple[ResponseCache, ...] = (CATALOG,)
