"""A body that cannot be read is refused before any view."""

from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from apps.core.api.middleware import RequestBodyMiddleware


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
            ({"wsgi.input": FailedBody()}, 400, "body_broke_off"),
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
    def test_other_bodies_are_the_views_business(self, length: str) -> None:
        response, seen = answer_to(CONTENT_LENGTH=length)

        assert (response.content, len(seen)) == (b"done", 1)
