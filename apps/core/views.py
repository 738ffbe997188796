"""Health checks, metrics, and the OpenAPI document with its pages."""

import hmac
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.module_loading import import_string
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe
from drf_spectacular.renderers import OpenApiJsonRenderer2, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import audit_runs, backlog, clock, incidents, relay, replica
from apps.core.api.schema import describe_api
from apps.core.security_log import log_security_event


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """Answer 200 while the process can answer at all; asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """
    Answer 200 if orders can be taken: the database answers and its schema is the code's.

    Redis is reported and not required, because orders go on without it. So are the queues, which another process would not work
    off any faster, and the replica, without which the primary is read. What was checked is for operators.
    """
    checks = {"database": _database(), "migrations": "unknown", "redis": _redis(), "queues": _queues()}
    if checks["database"] == "ok":
        checks["migrations"] = _migrations()
    if replica.is_configured() and checks["database"] == "ok":
        checks["replica"] = replica.find_state()
    is_ready = checks["database"] == checks["migrations"] == "ok"
    is_whole = checks["redis"] == checks.get("replica", "ok") == "ok" and checks["queues"] != "overloaded"
    is_degraded = is_ready and not is_whole
    status = "degraded" if is_degraded else "ready" if is_ready else "unready"
    details = {"checks": checks} if _is_operator(request) else {}
    return JsonResponse({"status": status, **details}, status=200 if is_ready else 503)


def _is_operator(request: HttpRequest) -> bool:
    """Return whether a request bears METRICS_TOKEN; where none is set, everybody is one on a developer's machine and nobody else."""
    if not settings.METRICS_TOKEN:
        return not settings.IS_STRICT
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(sent.strip().encode(), settings.METRICS_TOKEN.encode())
    if sent and not is_right:
        log_security_event("metrics_token_refused")
    return is_right and scheme.lower() == "bearer"


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _migrations() -> str:
    try:
        executor = MigrationExecutor(connection)
        return "pending" if executor.migration_plan(executor.loader.graph.leaf_nodes()) else "ok"
    except DatabaseError:
        return "unreachable"


def _redis() -> str:
    # The cache is configured to ignore errors of Redis, so ping through its client.
    try:
        cache.client.get_client().ping()  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - whatever its client raises, Redis does not answer
        return "unreachable"
    return "ok"


def _queues() -> str:
    measured = backlog.read()
    if not measured:
        return "unknown"
    return "overloaded" if backlog.find_overloaded(measured) else "ok"


class MetricsCollector:
    """Metrics read on each scrape: the last audit, open incidents, the apps' gauges and the backlog of the relay."""

    def collect(self) -> Any:
        state = audit_runs.find_state()
        if state is not None:
            yield from _audit_metrics(state)
        yield _incident_metrics()
        for gauge in import_string(settings.GAUGES):
            value = gauge.read()
            if value is not None:
                yield GaugeMetricFamily(gauge.name, gauge.statement, value=value)
        yield _cache_metrics()
        lag = replica.measure_lag()
        if lag is not None:
            about = "How much of the primary's log the replica has not replayed."
            yield GaugeMetricFamily("bahi_replica_lag_bytes", about, value=lag)
        yield from _queue_metrics()
        for name, value in relay.count_open_work(now=clock.now()).items():
            yield GaugeMetricFamily(
                f"bahi_{name}", f"Events and handler runs that wait: {name.replace('_', ' ')}.", value=value
            )


def _incident_metrics() -> Any:
    incidents_open = GaugeMetricFamily("bahi_incidents_open", "Incidents that are open.", labels=["kind"])
    for kind, count in incidents.count_open_incidents().items():
        incidents_open.add_metric([kind], count)
    return incidents_open


def _cache_metrics() -> Any:
    requests = CounterMetricFamily(
        "bahi_response_cache_requests",
        "Requests for public responses: found in the process or in Redis, answered with the one before the last change, or made.",
        labels=["cache", "result"],
    )
    for each in import_string(settings.RESPONSE_CACHES):
        for result, count in sorted(each.read_counts().items()):
            requests.add_metric([each.description.name, result], count)
    return requests


def _queue_metrics() -> Any:
    hints = GaugeMetricFamily(
        "bahi_queue_hints",
        "Hints of a queue that Redis holds, at most 1,000; other work waits in Postgres.",
        labels=["queue"],
    )
    waits = GaugeMetricFamily(
        "bahi_queue_wait_seconds", "For how long the oldest work of a queue has waited for a worker.", labels=["queue"]
    )
    for queue, each in backlog.read().items():
        hints.add_metric([queue], each.hints)
        waits.add_metric([queue], each.wait_seconds)
    refused = CounterMetricFamily(
        "bahi_requests_refused_overloaded",
        "Requests of customers that were refused because a queue waited too long.",
        labels=["queue"],
    )
    counts = backlog.read_refused()
    for queue in settings.MAX_QUEUE_WAIT_SECONDS:
        refused.add_metric([queue], counts.get(queue, 0))
    yield from (hints, waits, refused)


def _audit_metrics(state: audit_runs.State) -> Any:
    violated = GaugeMetricFamily(
        "bahi_audit_violated_rows",
        "Rows that break an invariant, in the last audit that read it.",
        labels=["invariant"],
    )
    for name, rows in state.violated.items():
        violated.add_metric([name], rows if isinstance(rows, int) else 1)
    yield violated
    yield GaugeMetricFamily("bahi_audit_violated", "Invariants violated in the last audits.", value=len(state.violated))
    yield GaugeMetricFamily("bahi_audit_checked", "Invariants checked in the last whole audit.", value=state.checked)
    now = clock.now()
    yield GaugeMetricFamily(
        "bahi_audit_age_seconds", "Seconds since the last audit.", value=(now - state.started_at).total_seconds()
    )
    if state.whole_started_at is not None:
        yield GaugeMetricFamily(
            "bahi_whole_audit_age_seconds",
            "Seconds since the last audit that read everything.",
            value=(now - state.whole_started_at).total_seconds(),
        )


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer operators in Prometheus' text format."""
    if not _is_operator(request):
        text = "This page is for operators: send Authorization: Bearer, with the METRICS_TOKEN of this installation.\n"
        return HttpResponse(text, status=401, content_type="text/plain", headers={"WWW-Authenticate": "Bearer"})
    registry = CollectorRegistry(auto_describe=False)
    registry.register(MetricsCollector())
    return HttpResponse(generate_latest(registry), content_type="text/plain; version=0.0.4; charset=utf-8")


_FAVICON = Path(__file__).with_name("favicon.ico").read_bytes()


@require_safe
@cache_control(public=True, max_age=604_800)
def favicon(request: HttpRequest) -> HttpResponse:
    """Return the icon of Bahi's pages, which browsers request at a fixed path."""
    return HttpResponse(_FAVICON, content_type="image/x-icon")


#: Media type -> the OpenAPI document, which is the same for everybody and costs a good part of a second.
_schemas: dict[str, bytes] = {}


#: What `?format=` may be, for those who open the document in a browser; other clients say it in `Accept`.
_DESCRIPTION_FORMATS: dict[str, Any] = {"json": OpenApiJsonRenderer2, "yaml": OpenApiYamlRenderer}


class SchemaView(SpectacularAPIView):
    """The OpenAPI document, worked out once; whatever else the query says, it is in English and of this version."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        named = _DESCRIPTION_FORMATS.get(request.query_params.get("format", ""))
        renderer: Any = request.accepted_renderer if named is None else named()
        if renderer.media_type not in _schemas:
            _schemas[renderer.media_type] = renderer.render(describe_api(), renderer_context={})
        return HttpResponse(
            _schemas[renderer.media_type],
            content_type=f"{renderer.media_type}; charset={renderer.charset or 'utf-8'}",
        )


class SwaggerView(SpectacularSwaggerSplitView):
    """The page that shows the document; its script is a response of its own, as the policy allows no inline scripts."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        if "script_url" in response.data:
            # Not with the query of this request, as the library has it: nothing that somebody sends stands in the page.
            response.data["script_url"] = f"{request.path}?script="
        return response

    def _get_schema_url(self, request: Request) -> str:
        return reverse(str(self.url_name))
