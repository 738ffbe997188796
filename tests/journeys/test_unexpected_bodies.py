"""A route without a body refuses one: what its sender meant by it would be ignored."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from apps.core.models import Event
from tests.journeys.endpoints import Operation, operations

#: They take an empty object, as every client sends one that always sends JSON, and refuse whatever is in it.
TAKE_NOTHING = ("cancel_payment", "sync_payment", "approve_refund", "retry_refund")
WITHOUT_BODY = [
    each for each in operations() if each.body is None and each.name not in (*TAKE_NOTHING, "receive_razorpay_webhook")
]
PAGES = ["/livez", "/readyz", "/metrics", "/api/schema", "/api/docs", "/admin/login/"]
UNEXPECTED = {
    "type": "invalid_request",
    "code": "unexpected_body",
    "message": "This request takes no body. Send it without one.",
}


def path_of(operation: Operation) -> str:
    """Return a path with the ids of nothing: the body is refused before anything is looked up."""
    return re.sub(r"\{\w+\}", "x_01jf3z8k4qe7tv2w9x0y1z2a3b", operation.path)


@pytest.mark.django_db
class TestUnexpectedBody:
    @pytest.mark.parametrize("operation", WITHOUT_BODY, ids=str)
    def test_a_route_without_a_body_refuses_one(
        self, operation: Operation, administrator: Any, client_of: Callable[[Any], Any]
    ) -> None:
        events = Event.objects.count()

        answer = client_of(administrator).generic(
            operation.method,
            path_of(operation),
            "{}",
            content_type="application/json",
            HTTP_IDEMPOTENCY_KEY="a-key-12345",
        )

        assert answer.status_code == 400, answer.content
        assert answer.json()["error"] | {"request_id": ""} == {**UNEXPECTED, "request_id": ""}
        assert Event.objects.count() == events

    @pytest.mark.parametrize("operation", [each for each in operations() if each.name in TAKE_NOTHING], ids=str)
    def test_an_empty_object_says_nothing_and_a_field_is_refused(
        self, operation: Operation, administrator: Any, client_of: Callable[[Any], Any]
    ) -> None:
        def answer(raw: str) -> Any:
            return client_of(administrator).generic(
                operation.method,
                path_of(operation),
                raw,
                content_type="application/json",
                HTTP_IDEMPOTENCY_KEY=f"a-key-of-{len(raw)}",
            )

        assert answer("{}").status_code == 404
        assert answer('{"reason":"x"}').status_code == 400

    @pytest.mark.parametrize("operation", [each for each in WITHOUT_BODY if each.method != "GET"], ids=str)
    def test_without_a_body_it_goes_on(
        self, operation: Operation, administrator: Any, client_of: Callable[[Any], Any]
    ) -> None:
        answer = client_of(administrator).generic(
            operation.method, path_of(operation), HTTP_IDEMPOTENCY_KEY="a-key-12345"
        )

        assert b"unexpected_body" not in answer.content

    @pytest.mark.parametrize("path", PAGES)
    def test_a_page_refuses_one(self, path: str) -> None:
        answer = Client().generic("GET", path, "x")

        assert answer.status_code == 400
        assert b"This request takes no body. Send it without one." in answer.content

    def test_head_refuses_one_too(self) -> None:
        assert Client().generic("HEAD", "/api/v1/products", "x").status_code == 400

    @pytest.mark.parametrize("method", ["OPTIONS", "DELETE", "TRACE"])
    def test_method_that_the_route_does_not_know_is_named_first(self, method: str) -> None:
        assert Client().generic(method, "/api/v1/products", "x").status_code == 405
