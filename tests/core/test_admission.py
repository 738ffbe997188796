"""New orders and payments are refused while what buyers wait for waits too long for a worker, and at no other time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client, override_settings
from redis.exceptions import ConnectionError as RedisIsDown
from redis.exceptions import OutOfMemoryError
from rest_framework.test import APIClient

from apps.backoffice.admin import dashboard
from apps.core import backlog
from apps.core.api.schema import describe_api
from tests.factories.orders import make_order
from tests.support.queue_waits import forget, published_waits
from tests.support.stored_rows import nothing_changes

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)
LIMITS = override_settings(MAX_QUEUE_WAIT_SECONDS={"buyer": 20, "money": 120})


@pytest.fixture(autouse=True)
def _unmeasured() -> Iterator[None]:
    with LIMITS:
        yield
    forget()


def pay(client: APIClient, customer: Any) -> Any:
    return send(client, "/api/v1/payments", {"order_id": make_order(customer).public_id})


def send(client: APIClient, path: str, body: Any) -> Any:
    return client.post(path, body, format="json", headers={"Idempotency-Key": "key-of-this-test"})


class TestCheckAdmission:
    @pytest.mark.parametrize(
        ("waits", "seconds"), [({"buyer": 20.1}, 5), ({"buyer": 50.0}, 30), ({"money": 400.0, "buyer": 0.0}, 60)]
    )
    def test_a_payment_is_refused_while_a_queue_waits_too_long(
        self, owner: Any, client_of: ClientOf, waits: dict[str, float], seconds: int
    ) -> None:
        order = make_order(owner)
        client = client_of(owner)

        with published_waits(**waits), nothing_changes():
            refused = send(client, "/api/v1/payments", {"order_id": order.public_id})

        assert (refused.status_code, refused["Retry-After"]) == (503, str(seconds))
        assert refused["Content-Type"] == "application/json"
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("unavailable", "overloaded")
        assert error["message"] == (
            f"More orders are coming in than we can process. Nothing was done; try again in {seconds} seconds."
        )

    @pytest.mark.parametrize(
        "waits", [{}, {"buyer": 20.0, "money": 120.0}, {"documents": 9_999.0, "messages": 9_999.0}]
    )
    def test_it_is_taken_while_buyers_do_not_wait(
        self, owner: Any, client_of: ClientOf, waits: dict[str, float]
    ) -> None:
        with published_waits(**waits):
            assert pay(client_of(owner), owner).status_code == 202

    def test_a_request_that_was_answered_gets_its_answer_again(self, owner: Any, client_of: ClientOf) -> None:
        order, client = make_order(owner), client_of(owner)
        answered = send(client, "/api/v1/payments", {"order_id": order.public_id})

        with published_waits(buyer=9_999.0):
            again = send(client, "/api/v1/payments", {"order_id": order.public_id})

        assert (again.status_code, again["Idempotent-Replayed"]) == (202, "true")
        assert again.json() == answered.json()

    @pytest.mark.parametrize("stored", [b"{", b"[]", b'{"buyer": {"hints": 1}}', b'{"buyer": 7}'])
    def test_what_is_no_measure_refuses_nobody(self, owner: Any, client_of: ClientOf, stored: bytes) -> None:
        backlog._client().set(backlog._KEY, stored, ex=60)
        try:
            assert pay(client_of(owner), owner).status_code == 202
        finally:
            backlog._client().delete(backlog._KEY)

    def test_zero_refuses_nobody(self, owner: Any, client_of: ClientOf) -> None:
        with (
            published_waits(buyer=9_999.0, money=9_999.0),
            override_settings(MAX_QUEUE_WAIT_SECONDS={"buyer": 0, "money": 0}),
        ):
            assert pay(client_of(owner), owner).status_code == 202

    def test_reading_and_other_changes_go_on(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        client = client_of(owner)

        with published_waits(buyer=9_999.0):
            answers = [
                client.get(f"/api/v1/orders/{order.public_id}"),
                client.get("/api/v1/payments"),
                send(client, f"/api/v1/orders/{order.public_id}/cancel", {"reason": "changed_mind"}),
            ]

        assert [answer.status_code for answer in answers] == [200, 200, 200]

    def test_staff_are_never_refused(self, support: Any, client_of: ClientOf) -> None:
        with published_waits(buyer=9_999.0):
            answer = send(client_of(support), "/api/v1/orders", {})

        assert answer.status_code != 503

    def test_a_stranger_to_us_is_told_to_log_in(self) -> None:
        with published_waits(buyer=9_999.0):
            assert send(APIClient(), "/api/v1/orders", {}).status_code == 401

    @pytest.mark.parametrize("failure", [RedisIsDown(), OutOfMemoryError()])
    def test_without_redis_everybody_is_taken(
        self, owner: Any, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        with published_waits(buyer=9_999.0):
            monkeypatch.setattr(backlog._client(), "get", lambda _: (_ for _ in ()).throw(failure))

            assert pay(client_of(owner), owner).status_code == 202

    def test_the_document_names_the_refusal_where_it_can_be(self) -> None:
        refusing = {
            (method, path)
            for path, methods in describe_api()["paths"].items()
            for method, operation in methods.items()
            if "overloaded" in str(operation["responses"]["503"])
        }

        assert refusing == {("post", "/api/v1/orders"), ("post", "/api/v1/payments")}


class TestOperators:
    def test_metrics_show_what_waits_and_what_was_refused(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        with published_waits(buyer=21.5, documents=300.0):
            for _ in range(2):
                send(client_of(owner), "/api/v1/payments", {"order_id": order.public_id})
            shown = Client().get("/metrics").content.decode()

        assert 'bahi_queue_hints{queue="documents"} 7.0' in shown
        assert 'bahi_queue_wait_seconds{queue="buyer"} 21.5' in shown
        assert 'bahi_requests_refused_overloaded_total{queue="buyer"} 2.0' in shown
        assert 'bahi_requests_refused_overloaded_total{queue="money"} 0.0' in shown

    @pytest.mark.parametrize(
        ("waits", "status", "queues"),
        [({}, "ready", "unknown"), ({"buyer": 20.0}, "ready", "ok"), ({"buyer": 20.1}, "degraded", "overloaded")],
    )
    def test_readyz_shows_whether_work_is_refused_and_stays_ready(
        self, waits: dict[str, float], status: str, queues: str
    ) -> None:
        with published_waits(**waits):
            answer = Client().get("/readyz")

        assert (answer.status_code, answer.json()["status"], answer.json()["checks"]["queues"]) == (200, status, queues)

    @pytest.mark.parametrize(
        ("waits", "figure", "note"),
        [
            ({}, "unknown", "the relay does not run, or Redis is away"),
            ({"buyer": 1.6, "documents": 900.0}, "2 s", "payments, log-in codes and webhooks"),
            ({"buyer": 1.6, "money": 300.0}, "300 s", "customers' orders and payments are refused"),
        ],
    )
    def test_the_dashboard_shows_how_long_buyers_wait(self, waits: dict[str, float], figure: str, note: str) -> None:
        with published_waits(**waits):
            assert dashboard._waiting()[:2] == (figure, note)
