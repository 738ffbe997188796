from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client
from rest_framework.test import APIClient
from structlog.testing import capture_logs

from tests.support.queue_waits import published_waits


def test_livez_queries_nothing() -> None:
    response = Client().get("/livez")

    assert (response.status_code, response.content) == (200, b"ok\n")


OK = {"database": "ok", "migrations": "ok", "redis": "ok", "queues": "ok"}


@pytest.fixture(autouse=True)
def _measured() -> Iterator[None]:
    with published_waits(buyer=0.0):
        yield


@pytest.mark.django_db
def test_readyz_is_ready_when_all_answer() -> None:
    response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": OK}


@pytest.mark.django_db
def test_readyz_stays_ready_without_redis_because_orders_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache.client, "get_client", lambda *_: (_ for _ in ()).throw(ConnectionError()))

    response = Client().get("/readyz")

    assert (response.status_code, response.json()["status"], response.json()["checks"]["redis"]) == (
        200,
        "degraded",
        "unreachable",
    )


@pytest.mark.django_db
def test_readyz_is_not_ready_without_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(connection, "cursor", refuse)

    response = Client().get("/readyz")

    assert (response.status_code, response.json()["checks"]["database"]) == (503, "unreachable")


def test_browsers_find_an_icon() -> None:
    response = Client().get("/favicon.ico")

    assert (response.status_code, response["Content-Type"]) == (200, "image/x-icon")
    assert response["Cache-Control"] == "public, max-age=604800"
    assert response.content.startswith(b"\0\0\1\0")


TOKEN = "the token of operators, which protects nothing here"


@pytest.mark.django_db
class TestMetricsToken:
    """What `/metrics` and `/readyz` tell, and whom."""

    @pytest.fixture
    def guarded(self, settings: Any) -> None:
        settings.METRICS_TOKEN, settings.IS_STRICT = TOKEN, True

    @pytest.mark.parametrize(
        "sent", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", f"Token {TOKEN}", TOKEN, "Bearer ü"]
    )
    def test_without_the_token_readyz_shows_only_its_status(self, guarded: None, sent: str) -> None:
        headers = {"Authorization": sent} if sent else {}

        ready, metrics = Client().get("/readyz", headers=headers), Client().get("/metrics", headers=headers)

        assert (ready.status_code, ready.json()) == (200, {"status": "ready"})
        assert (metrics.status_code, metrics["WWW-Authenticate"]) == (401, "Bearer")
        assert b"bahi_" not in metrics.content

    def test_the_token_opens_both(self, guarded: None) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"}

        ready, metrics = Client().get("/readyz", headers=headers), Client().get("/metrics", headers=headers)

        assert ready.json()["checks"] == OK
        assert (metrics.status_code, b"bahi_incidents_open" in metrics.content) == (200, True)

    def test_production_without_a_token_shows_them_to_nobody(self, guarded: None, settings: Any) -> None:
        settings.METRICS_TOKEN = ""

        for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
            assert Client().get("/metrics", headers=headers).status_code == 401
            assert Client().get("/readyz", headers=headers).json() == {"status": "ready"}

    def test_wrong_token_is_logged_as_a_security_event(self, guarded: None) -> None:
        with capture_logs() as lines:
            Client().get("/metrics", headers={"Authorization": "Bearer wrong"}, REMOTE_ADDR="198.51.100.9")

        refused = [line for line in lines if line["event"] == "metrics_token_refused"]
        assert refused == [{"event": "metrics_token_refused", "log_level": "warning", "ip": "198.51.100.9"}]


@pytest.mark.django_db
class TestEveryAnswer:
    def test_carries_a_request_id_of_ours_or_the_callers(self) -> None:
        assert Client().get("/livez")["X-Request-Id"].startswith("req_")
        assert Client().get("/livez", headers={"X-Request-Id": "order-app-0001"})["X-Request-Id"] == "order-app-0001"
        assert Client().get("/livez", headers={"X-Request-Id": "bad id\x01"})["X-Request-Id"].startswith("req_")

    def test_an_unknown_path_under_api_is_a_json_404(self) -> None:
        response = Client().get("/api/v1/nothing")

        assert response.status_code == 404
        assert response["Content-Type"] == "application/json"
        assert response.json()["error"]["code"] == "not_found"
        assert response.json()["error"]["request_id"] == response["X-Request-Id"]

    def test_a_refused_host_is_a_json_400(self) -> None:
        response = Client().get("/api/v1/products", headers={"Host": "evil.example"})

        assert response.status_code == 400
        assert response.json()["error"]["type"] == "invalid_request"

    def test_a_failure_of_ours_is_a_json_500_without_its_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from apps.core import views

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr(views.relay, "count_open_work", fail)
        response = Client(raise_request_exception=False).get("/metrics")

        assert response.status_code == 500
        assert b"secret detail" not in response.content

    @pytest.mark.parametrize("method", ["post", "put", "delete", "options", "trace"])
    @pytest.mark.parametrize("path", ["/api/docs", "/api/schema"])
    def test_a_page_refuses_other_methods_in_json_too(self, path: str, method: str) -> None:
        response = getattr(Client(raise_request_exception=False), method)(path)

        assert (response.status_code, response["Content-Type"]) == (405, "application/json")
        assert response.json()["error"]["code"] == "method_not_allowed"

    @pytest.mark.parametrize("path", ["/api/docs", "/api/schema"])
    def test_a_page_in_no_wanted_form_is_a_json_406(self, path: str) -> None:
        response = Client().get(path, headers={"Accept": "image/png"})

        assert (response.status_code, response.json()["error"]["code"]) == (406, "not_acceptable")

    @pytest.mark.parametrize(
        ("query", "kind"),
        [
            ("?format=json", "application/json; charset=utf-8"),
            ("?format=yaml", "application/vnd.oai.openapi; charset=utf-8"),
            ("?format=pdf", "application/vnd.oai.openapi; charset=utf-8"),
            ("", "application/vnd.oai.openapi; charset=utf-8"),
        ],
    )
    def test_the_description_comes_in_the_format_that_the_query_names(self, query: str, kind: str) -> None:
        response = Client().get(f"/api/schema{query}")

        assert (response.status_code, response["Content-Type"]) == (200, kind)
        assert response.content.startswith(b"{" if "json" in kind else b"openapi: 3.1.0")

    def test_options_is_not_a_500(self, owner: Any, client_of: Callable[[Any], APIClient]) -> None:
        client = client_of(owner)
        client.raise_request_exception = False

        response = client.options("/api/v1/orders", headers={"Origin": "https://evil.example"})

        assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
        assert not [name for name in response.headers if name.lower().startswith("access-control-")]

    def test_request_log_queries_no_user(self) -> None:
        # A cookie that holds NUL in octal: looking its session up would fail.
        client = Client(raise_request_exception=False)

        response = client.get("/api/v1/nothing", headers={"Cookie": 'sessionid="\\000aaaaaaaaaaa"'})

        assert response.status_code == 404
        assert response.json()["error"]["request_id"] == response["X-Request-Id"]
