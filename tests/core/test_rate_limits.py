"""The limit of what one signed-in person changes in a minute."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings as configured
from django.core.cache import cache
from django.test import override_settings
from redis.exceptions import ConnectionError as RedisIsDown
from rest_framework.test import APIClient

from apps.accounts.models import Address
from apps.core.api import rate_limits
from apps.core.models import Event

pytestmark = pytest.mark.django_db

ClientOf = Callable[[Any], APIClient]
ME = "/api/v1/me"
NOW = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limits, "_pause", rate_limits._Pause())


def rename(client: APIClient, name: str) -> Any:
    return client.patch(ME, {"name": name}, format="json", headers={"If-Match": "*"})


class TestCheckWriteLimit:
    @override_settings(CUSTOMER_WRITES_PER_MINUTE=3)
    def test_refuses_one_more_and_changes_nothing(self, owner: Any, client_of: ClientOf, clock: Any) -> None:
        client = client_of(owner)
        assert [rename(client, f"Asha {letter}").status_code for letter in "ABC"] == [200, 200, 200]
        events = Event.objects.count()

        clock.shift(timedelta(seconds=20))
        refused = rename(client, "Asha D")

        assert refused.status_code == 429
        assert refused["Retry-After"] == "40"
        error = refused.json()["error"]
        assert (error["type"], error["code"]) == ("rate_limit", "rate_limited")
        assert error["message"] == "You can send at most 3 changes a minute. Try again in 40 seconds."
        owner.refresh_from_db()
        assert (owner.name, Event.objects.count()) == ("Asha C", events)

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=3)
    def test_slides_and_counts_no_refusal(self, owner: Any, client_of: ClientOf, clock: Any) -> None:
        client = client_of(owner)
        for seconds in (0, 30, 20):
            clock.shift(timedelta(seconds=seconds))
            assert rename(client, f"At {seconds}").status_code == 200
        for _ in range(5):
            assert rename(client, "Refused")["Retry-After"] == "10"

        clock.shift(timedelta(seconds=10))

        assert rename(client, "The first is a minute old").status_code == 200
        assert rename(client, "The second is not")["Retry-After"] == "30"

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=1)
    def test_reading_is_not_counted(self, owner: Any, client_of: ClientOf, clock: Any) -> None:
        client = client_of(owner)
        assert rename(client, "Asha").status_code == 200

        assert {client.get(ME).status_code for _ in range(5)} == {200}

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=1)
    def test_is_of_each_person_alone(self, owner: Any, stranger: Any, client_of: ClientOf, clock: Any) -> None:
        assert rename(client_of(owner), "Asha").status_code == 200
        assert rename(client_of(owner), "Again").status_code == 429

        assert rename(client_of(stranger), "Binod").status_code == 200

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=1, STAFF_WRITES_PER_MINUTE=2)
    def test_staff_have_a_limit_of_their_own(self, support: Any, client_of: ClientOf, clock: Any) -> None:
        client = client_of(support)

        assert [rename(client, f"Support {letter}").status_code for letter in "ABC"] == [200, 200, 429]

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=1)
    def test_who_has_not_signed_in_is_not_counted_here(self, anonymous: APIClient, clock: Any) -> None:
        answers = [anonymous.post("/api/v1/webhooks/razorpay", {}, format="json").status_code for _ in range(3)]

        assert answers == [answers[0]] * 3
        assert 429 not in answers

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=1)
    def test_comes_before_the_stored_answer_of_a_key(self, owner: Any, client_of: ClientOf, clock: Any) -> None:
        client = client_of(owner)
        address = {
            "name": "Asha Rao", "phone": "+919876543210", "line1": "12 MG Road", "city": "Bengaluru", "state": "29",
            "pin": "560001",
        }  # fmt: skip

        answers = [
            client.post(f"{ME}/addresses", address, format="json", headers={"Idempotency-Key": "key-of-this-address"})
            for _ in range(2)
        ]

        assert [answer.status_code for answer in answers] == [201, 429]
        assert Address.objects.filter(user=owner).count() == 1

    @override_settings(CUSTOMER_WRITES_PER_MINUTE=0)
    def test_without_redis_requests_pass_and_redis_is_not_retried(
        self, owner: Any, client_of: ClientOf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = []

        def down(write: bool) -> Any:
            asked.append(write)
            raise RedisIsDown

        monkeypatch.setattr(cache.client, "get_client", down)

        assert [rename(client_of(owner), f"Asha {letter}").status_code for letter in "ABC"] == [200, 200, 200]
        assert asked == [True]


def test_the_default_is_60_for_buyers_and_more_for_staff() -> None:
    from config.settings import base

    assert (base.CUSTOMER_WRITES_PER_MINUTE, base.STAFF_WRITES_PER_MINUTE) == (60, 600)
    assert configured.CUSTOMER_WRITES_PER_MINUTE > 60  # the tests share one customer for much


@pytest.mark.race
def test_of_parallel_requests_no_two_take_the_last_place() -> None:
    name, start = f"writes:{uuid4()}", threading.Barrier(20)

    def take() -> int:
        start.wait(timeout=60)
        return rate_limits._take_slot(name, most=7, now=NOW)

    with ThreadPoolExecutor(20) as pool:
        waits = [job.result() for job in [pool.submit(take) for _ in range(20)]]

    assert sorted(waits) == [0] * 7 + [60_000] * 13


@pytest.mark.race
def test_control_counting_and_adding_separately_lets_too_many_through() -> None:
    name, both_have_read = f"writes:{uuid4()}", threading.Barrier(20)
    client = cache.client.get_client(write=True)  # type: ignore[attr-defined]

    def take() -> bool:
        is_free = client.zcard(name) < 7
        both_have_read.wait(timeout=60)
        if is_free:
            client.zadd(name, {str(uuid4()): 1})
        return bool(is_free)

    with ThreadPoolExecutor(20) as pool:
        taken = [job.result() for job in [pool.submit(take) for _ in range(20)]]

    assert sum(taken) == 20
