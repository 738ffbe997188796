import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.test import Client


def test_livez_asks_nobody() -> None:
    response = Client().get("/livez")

    assert (response.status_code, response.content) == (200, b"ok\n")


@pytest.mark.django_db
def test_readyz_is_ready_when_all_answer() -> None:
    response = Client().get("/readyz")

    assert response.status_code == 200
    assert response.json() == {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "redis": "ok"}}


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

        monkeypatch.setattr(views.relay, "backlog", fail)
        response = Client(raise_request_exception=False).get("/metrics")

        assert response.status_code == 500
        assert b"secret detail" not in response.content
