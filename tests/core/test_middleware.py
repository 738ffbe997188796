"""A body that cannot be read is refused before any view."""

import json
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from structlog.testing import capture_logs

from apps.core.api.middleware import ProxyHeaderMiddleware, RequestBodyMiddleware, RequestIdMiddleware


class FailedBody:
    """What a web server passes for a body that did not arrive."""

    failed = True

    def read(self, *_: Any) -> bytes:
        raise ConnectionResetError

    readline = read


def answer_to(path: str = "/api/v1/orders", **meta: Any) -> tuple[HttpResponse, list[HttpRequest]]:
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse("done")

    request = RequestFactory().post(path, data=b"{}", content_type="application/json", **meta)
    return RequestBodyMiddleware(view)(request), seen


class TestRequestBodyMiddleware:
    @pytest.mark.parametrize(
        ("meta", "status", "code"),
        [
            ({"HTTP_TRANSFER_ENCODING": "chunked"}, 411, "length_required"),
            ({"CONTENT_LENGTH": "1048577"}, 413, "body_too_large"),
            ({"CONTENT_LENGTH": "9" * 5_000}, 413, "body_too_large"),
            ({"wsgi.input": FailedBody()}, 400, "body_incomplete"),
        ],
    )
    def test_no_view_is_called_for_a_body_that_is_refused(self, meta: dict[str, Any], status: int, code: str) -> None:
        response, seen = answer_to(**meta)

        assert (response.status_code, response["Content-Type"]) == (status, "application/json")
        assert f'"code":"{code}"'.encode() in response.content
        assert seen == []

    def test_elsewhere_the_sentence_is_plain_text(self) -> None:
        response, seen = answer_to("/admin/login/", CONTENT_LENGTH="1048577")

        assert (response.status_code, response.content) == (413, b"The body is larger than 1 MB.\n")
        assert seen == []

    @pytest.mark.parametrize("length", ["", "0", "2", "1048576", "-1", "x", "\xb2"])
    def test_other_bodies_reach_the_view(self, length: str) -> None:
        response, seen = answer_to(CONTENT_LENGTH=length)

        assert (response.content, len(seen)) == (b"done", 1)


class TestMethodsThatNoRouteAnswers:
    @pytest.mark.parametrize("method", ["TRACE", "OPTIONS"])
    def test_a_body_does_not_keep_them_from_the_view_which_refuses_the_method(self, method: str) -> None:
        seen: list[HttpRequest] = []

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            return HttpResponse(status=405)

        request = RequestFactory().generic(method, "/api/v1/orders", b"{}", content_type="application/json")

        assert RequestBodyMiddleware(view)(request).status_code == 405
        assert seen == [request]


class TestHead:
    """gunicorn warns of each HEAD that comes with a body, which Django leaves to it."""

    def test_an_answer_has_the_length_of_its_body_and_no_body(self) -> None:
        response = RequestIdMiddleware(lambda _: HttpResponse("done"))(RequestFactory().head("/api/v1/states"))

        assert (response.content, response["Content-Length"]) == (b"", "4")
        assert response["X-Request-Id"].startswith("req_")

    def test_a_file_is_not_read(self) -> None:
        read: list[bytes] = []

        def pieces() -> Any:
            read.append(b"piece")
            yield b"piece"

        answer = StreamingHttpResponse(pieces(), headers={"Content-Length": "5"})
        response: Any = RequestIdMiddleware(lambda _: answer)(RequestFactory().head("/api/v1/invoices/1/pdf"))

        assert (list(response.streaming_content), response["Content-Length"], read) == ([], "5", [])

    def test_other_methods_keep_their_body(self) -> None:
        response = RequestIdMiddleware(lambda _: HttpResponse("done"))(RequestFactory().get("/api/v1/states"))

        assert response.content == b"done"


class TestProxyHeaderMiddleware:
    @pytest.fixture(autouse=True)
    def _as_in_production(self, settings: Any) -> None:
        settings.IS_STRICT = True
        settings.TRUSTED_PROXY_HOPS = 0

    def answer(self, path: str = "/api/v1/products", **headers: str) -> tuple[HttpResponse, list[HttpRequest]]:
        seen: list[HttpRequest] = []

        def view(request: HttpRequest) -> HttpResponse:
            seen.append(request)
            return HttpResponse("seen")

        return ProxyHeaderMiddleware(view)(RequestFactory().get(path, headers=headers)), seen

    @pytest.mark.parametrize(
        "header", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded", "X-Real-IP"]
    )
    def test_a_proxy_that_is_not_configured_is_refused(self, header: str) -> None:
        answer, seen = self.answer(**{header: "203.0.113.9"})

        assert (answer.status_code, seen) == (400, [])
        assert json.loads(answer.content)["error"] | {"request_id": ""} == {
            "type": "invalid_request",
            "code": "proxy_not_configured",
            "message": (
                f"This request came through a proxy (header {header}), but TRUSTED_PROXY_HOPS is 0. "
                "Set it to the number of proxies in front of Bahi, for example TRUSTED_PROXY_HOPS=1."
            ),
            "request_id": "",
        }

    def test_without_a_proxy_the_request_goes_on(self) -> None:
        answer, seen = self.answer()

        assert (answer.content, len(seen)) == (b"seen", 1)

    @pytest.mark.parametrize(("hops", "refuses"), [(1, True), (0, False)])
    def test_a_trusted_proxy_and_a_developers_are_let_through(self, hops: int, refuses: bool, settings: Any) -> None:
        settings.TRUSTED_PROXY_HOPS, settings.IS_STRICT = hops, refuses

        answer, seen = self.answer(**{"X-Forwarded-For": "203.0.113.9"})

        assert (answer.content, len(seen)) == (b"seen", 1)


@pytest.mark.django_db
class TestLoggedPath:
    @pytest.mark.parametrize("typed", ["27AAPFU0939F1ZV", "27aapfu0939f1zv", "27AAPFU0939F1Z", "Asha Textiles"])
    def test_holds_no_gstin_whatever_was_typed_for_one(self, client_of: Any, owner: Any, typed: str) -> None:
        with capture_logs() as lines:
            client_of(owner).get(f"/api/v1/gst/gstin/{typed}")

        paths = [line["path"] for line in lines if line["event"] == "request"]
        assert paths == ["/api/v1/gst/gstin/[gstin]"]

    def test_is_otherwise_what_was_asked_for(self, client_of: Any, owner: Any) -> None:
        with capture_logs() as lines:
            client_of(owner).get("/api/v1/orders?phone=9876543210")

        assert [line["path"] for line in lines if line["event"] == "request"] == ["/api/v1/orders"]
