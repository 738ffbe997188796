"""New orders and payments are refused while what buyers wait for waits too long for a worker, and at no other time."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from redis.exceptions import ConnectionError as RedisIsDown
from redis.exceptions import OutOfMemoryError
from rest_framework.test import APIClient

from apps.backoffice.admin import dashboard
from apps.core import backlog
from apps.core.api.schema import describe_api
from apps.core.backlog import QueueBacklog, WaitMeter
from tests.factories.orders import make_order
from tests.support.measures import forget, measured
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

        with measured(**waits), nothing_changes():
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
        with measured(**waits):
            assert pay(client_of(owner), owner).status_code == 202

    def test_a_request_that_was_answered_gets_its_answer_again(self, owner: Any, client_of: ClientOf) -> None:
        order, client = make_order(owner), client_of(owner)
        answered = send(client, "/api/v1/payments", {"order_id": order.public_id})

        with measured(buyer=9_999.0):
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
        with measured(buyer=9_999.0, money=9_999.0), override_settings(MAX_QUEUE_WAIT_SECONDS={"buyer": 0, "money": 0}):
            assert pay(client_of(owner), owner).status_code == 202

    def test_reading_and_other_changes_go_on(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        client = client_of(owner)

        with measured(buyer=9_999.0):
            answers = [
                client.get(f"/api/v1/orders/{order.public_id}"),
                client.get("/api/v1/payments"),
                send(client, f"/api/v1/orders/{order.public_id}/cancel", {"reason": "changed_mind"}),
            ]

        assert [answer.status_code for answer in answers] == [200, 200, 200]

    def test_staff_are_never_refused(self, support: Any, client_of: ClientOf) -> None:
        with measured(buyer=9_999.0):
            answer = send(client_of(support), "/api/v1/orders", {})

        assert answer.status_code != 503

    def test_a_stranger_to_us_is_told_to_log_in(self) -> None:
        with measured(buyer=9_999.0):
            assert send(APIClient(), "/api/v1/orders", {}).status_code == 401

    @pytest.mark.parametrize("failure", [RedisIsDown(), OutOfMemoryError()])
    def test_without_redis_everybody_is_taken(
        self, owner: Any, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch, failure: Exception
    ) -> None:
        with measured(buyer=9_999.0):
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


class TestRead:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        asked: list[str] = []
        get = backlog._client().get

        def count(key: str) -> Any:
            asked.append(key)
            return get(key)

        monkeypatch.setattr(backlog._client(), "get", count)
        return asked

    def test_a_process_reads_once_a_second(self, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        now = [100.0]
        monkeypatch.setattr(backlog.time, "monotonic", lambda: now[0])
        with measured(buyer=3.0):
            for _ in range(10):
                assert backlog.read()["buyer"] == QueueBacklog(hints=7, wait_seconds=3.0)
            assert len(asked) == 1

            now[0] += 1.0
            backlog.read()

        assert len(asked) == 2

    def test_a_redis_that_does_not_answer_is_left_alone_for_five_seconds(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now, asked = [100.0], []

        def refuse(key: str) -> Any:
            asked.append(key)
            raise RedisIsDown

        monkeypatch.setattr(backlog.time, "monotonic", lambda: now[0])
        with measured(buyer=3.0):
            monkeypatch.setattr(backlog._client(), "get", refuse)
            assert backlog.read() == {}
            now[0] += 4.9
            assert (backlog.read(), len(asked)) == ({}, 1)
            now[0] += 0.1
            backlog.read()

        assert len(asked) == 2


class TestWaitMeter:
    def measure(
        self, meter: WaitMeter, *, after: float, waited: float | None, hints: int = 1, oldest_id: str = ""
    ) -> float:
        now = NOW + timedelta(seconds=after)
        since = None if waited is None else now - timedelta(seconds=waited)
        return meter.measure({"buyer": QueueBacklog(hints, since, oldest_id)}, now=now)["buyer"].wait_seconds

    def test_a_wait_grows_with_the_oldest_hint(self) -> None:
        meter = WaitMeter()

        waits = [self.measure(meter, after=after, waited=after) for after in (0, 2, 4, 30)]

        assert waits == [0, 2, 4, 30]

    def test_an_old_hint_that_a_broker_was_given_late_is_no_long_wait(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=None, hints=0)

        waits = [self.measure(meter, after=2, waited=600), self.measure(meter, after=4, waited=602)]

        assert waits == [2, 4]

    def test_an_empty_queue_waits_no_more(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=0)
        self.measure(meter, after=30, waited=30)

        assert self.measure(meter, after=32, waited=None, hints=0) == 0

    def test_a_task_of_the_clock_in_front_says_nothing_until_it_stays_there(self) -> None:
        meter = WaitMeter()
        self.measure(meter, after=0, waited=0)
        self.measure(meter, after=30, waited=30)

        assert self.measure(meter, after=32, waited=None, oldest_id="of the clock") == 30
        assert self.measure(meter, after=34, waited=None, oldest_id="of the clock") == 32
        assert self.measure(meter, after=36, waited=None, oldest_id="another") == 32

    def test_hint_of_a_relay_whose_clock_is_ahead_does_not_wait(self) -> None:
        assert self.measure(WaitMeter(), after=0, waited=-5) == 0


class TestOperators:
    def test_metrics_show_what_waits_and_what_was_refused(self, owner: Any, client_of: ClientOf) -> None:
        order = make_order(owner)
        with measured(buyer=21.5, documents=300.0):
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
        with measured(**waits):
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
        with measured(**waits):
            assert dashboard._waiting()[:2] == (figure, note)
