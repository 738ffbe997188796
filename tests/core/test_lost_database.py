"""The database goes away in the midst of a request, at each of its statements: the client is told to come again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connection
from rest_framework.test import APIClient

from apps.core import prepared
from apps.payments.models import Refund
from tests.support.shop import Shop, make_busy_shop

pytestmark = pytest.mark.django_db(transaction=True)

#: More statements than any request makes.
_MOST = 80


class _Losing:
    """Ends the connection of this process at its n-th statement."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def pass_by(self) -> None:
        self.count += 1
        if self.count == self.at and connection.connection is not None:
            pid = connection.connection.info.backend_pid
            settings = connection.get_connection_params()
            with psycopg.connect(
                host=settings["host"],
                user=settings["user"],
                dbname=settings["dbname"],
                port=settings.get("port"),
                autocommit=True,
            ) as other:
                other.execute("SELECT pg_terminate_backend(%s, 2000)", [pid])

    def execute(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        self.pass_by()
        return execute(sql, params, many, context)


@contextmanager
def _lose_database(monkeypatch: pytest.MonkeyPatch, *, at: int) -> Iterator[_Losing]:
    losing = _Losing(at)
    connect = prepared._connect

    def connect_and_lose(database: Any) -> Any:
        raw = connect(database)
        losing.pass_by()
        return raw

    with monkeypatch.context() as patched, connection.execute_wrapper(losing.execute):
        patched.setattr(prepared, "_connect", connect_and_lose)
        yield losing
    connection.close()


def _statuses(monkeypatch: pytest.MonkeyPatch, send: Callable[[], Any]) -> dict[int, int]:
    """Return the statuses that a request is answered with when its n-th statement loses the database, by n."""
    statuses = {}
    for at in range(1, _MOST):
        with _lose_database(monkeypatch, at=at) as losing:
            status = send().status_code
        if losing.count < at:
            break
        statuses[at] = status
    assert statuses
    return statuses


@pytest.fixture
def client(finance: Any, client_of: Callable[[Any], APIClient]) -> APIClient:
    """Return a client of finance, who are staff: what they may see is looked up once more for each answer."""
    client = client_of(finance)
    client.raise_request_exception = False
    return client


@pytest.fixture
def shop(client: APIClient) -> Shop:
    return make_busy_shop()


@pytest.mark.parametrize("path", ["/refunds", "/orders/{order}"])
def test_a_read_is_unavailable(path: str, client: APIClient, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"/api/v1{path}".replace("{order}", shop.order.public_id)

    statuses = _statuses(monkeypatch, lambda: client.get(url))

    assert set(statuses.values()) == {503}, statuses


def test_a_write_is_unavailable_and_changes_nothing(
    client: APIClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"order_id": shop.order.public_id, "amount": 100}

    statuses = _statuses(
        monkeypatch,
        lambda: client.post("/api/v1/refunds", body, format="json", headers={"Idempotency-Key": str(uuid4())}),
    )

    assert set(statuses.values()) == {503}, statuses
    assert Refund.objects.filter(amount=100).count() == 1  # of the one request that lost nothing
