"""Pages of other origins: those that are named may call the API and read its headers, and no other page may."""

from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as configured
from django.test import Client

from apps.core.api.schema import describe_api

SHOP = "https://shop.example"
API = "/api/v1/products"
SAFE_HEADERS = {
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
}


def preflight(origin: str = SHOP, path: str = API, method: str = "POST", headers: str = "authorization") -> Any:
    return Client().options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": headers,
        },
    )


def cors_headers(answer: Any) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name.lower().startswith("access-control-")}


def described(kind: str) -> set[str]:
    """Return the headers, of requests or of answers, that the API's description names."""
    found = set()
    for item in describe_api()["paths"].values():
        for told in item.values():
            if kind == "requests":
                found |= {each["name"].lower() for each in told.get("parameters", []) if each["in"] == "header"}
            else:
                found |= {name.lower() for answer in told["responses"].values() for name in answer.get("headers", {})}
    return found


@pytest.fixture
def shop_is_allowed(settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = [SHOP]


class TestDefault:
    def test_no_origin_is_allowed(self) -> None:
        assert configured.CORS_ALLOWED_ORIGINS == []
        assert cors_headers(preflight()) == {}

    @pytest.mark.django_db
    def test_an_answer_names_no_origin(self) -> None:
        answer = Client().get(API, headers={"Origin": SHOP})

        assert (answer.status_code, cors_headers(answer)) == (200, {})


@pytest.mark.usefixtures("shop_is_allowed")
class TestPreflight:
    def test_a_named_origin_is_answered_without_a_log_in(self) -> None:
        answer = preflight(path="/api/v1/orders", headers="authorization, content-type, idempotency-key")

        assert (answer.status_code, answer.content) == (200, b"")
        assert cors_headers(answer) == {
            "access-control-allow-origin": SHOP,
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": (
                "accept, authorization, content-type, idempotency-key, if-match, if-none-match, x-request-id"
            ),
            "access-control-allow-methods": "DELETE, GET, HEAD, PATCH, POST",
            "access-control-expose-headers": (
                "Allow, Content-Disposition, ETag, Idempotent-Replayed, Location, RateLimit-Limit, RateLimit-Remaining, "
                "RateLimit-Reset, Retry-After, WWW-Authenticate, X-Request-Id"
            ),
            "access-control-max-age": "7200",
        }
        assert "origin" in answer.headers["Vary"].lower()

    @pytest.mark.parametrize(
        "origin",
        [
            "https://evil.example", "null", "http://shop.example", "https://shop.example:444", "https://shop.example.evil",
            "https://evilshop.example", "https://api.shop.example", "", "*",
        ],
    )  # fmt: skip
    def test_another_origin_is_not_named(self, origin: str) -> None:
        assert "access-control-allow-origin" not in preflight(origin).headers

    @pytest.mark.parametrize("path", ["/admin/login/", "/livez", "/readyz", "/metrics", "/"])
    def test_only_the_api_may_be_called(self, path: str) -> None:
        assert cors_headers(preflight(path=path)) == {}

    def test_options_that_are_no_preflight_are_still_refused(self) -> None:
        assert Client().options(API, headers={"Origin": SHOP}).status_code == 405

    def test_whatever_the_description_names_may_be_sent(self) -> None:
        methods = {method.upper() for item in describe_api()["paths"].values() for method in item}

        assert methods <= set(configured.CORS_ALLOW_METHODS)
        signed = {"x-razorpay-signature", "x-razorpay-event-id"}  # a gateway's server sends these, and no page
        assert described("requests") - signed <= set(configured.CORS_ALLOW_HEADERS)


@pytest.mark.usefixtures("shop_is_allowed")
@pytest.mark.django_db
class TestAnswer:
    def test_a_page_may_read_it_and_its_headers(self) -> None:
        answer = Client().get(API, headers={"Origin": SHOP})

        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "ETag" in answer.headers["access-control-expose-headers"].split(", ")
        assert "origin" in answer.headers["Vary"].lower()

    @pytest.mark.parametrize(("path", "varies"), [(API, True), ("/livez", False)])
    def test_an_answer_to_nobody_in_particular_is_not_kept_for_another_origin(self, path: str, varies: bool) -> None:
        answer = Client().get(path)

        assert answer.status_code == 200
        assert ("origin" in answer.headers.get("Vary", "").lower()) == varies
        assert cors_headers(answer) == {}

    @pytest.mark.parametrize(
        ("path", "extra", "status"),
        [
            ("/api/v1/me", {}, 401),
            ("/api/v1/nothing", {}, 404),
            ("/api/v1/products?unknown=1", {}, 400),
            ("/api/v1/me", {"CONTENT_LENGTH": "5000000"}, 413),
            ("/api/v1/me", {"HTTP_TRANSFER_ENCODING": "chunked"}, 411),
        ],
    )
    def test_a_page_may_read_errors_too(self, path: str, extra: dict[str, Any], status: int) -> None:
        answer = Client().get(path, headers={"Origin": SHOP}, **extra)

        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, SHOP)

    def test_a_page_of_another_origin_may_not(self, client_of: Callable[[Any], Any], owner: Any) -> None:
        answer = client_of(owner).get("/api/v1/me", HTTP_ORIGIN="https://evil.example")

        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers

    def test_whatever_header_the_description_names_may_be_read(self) -> None:
        exposed = {name.lower() for name in configured.CORS_EXPOSE_HEADERS}

        assert described("answers") - SAFE_HEADERS - {"set-cookie"} <= exposed
