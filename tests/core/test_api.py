"""The plumbing of the API, tried on a small resource of its own."""

import contextlib
import gzip
import hashlib
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from unittest import mock

import orjson
import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.viewsets import GenericViewSet

from apps.catalog.models import Category
from apps.core import clock, http
from apps.core.api import (
    ApiViewSet,
    RequestSerializer,
    StrictCharField,
    StrictIntegerField,
    check_if_match,
    client_ip,
    idempotent,
    renderer,
    responses,
    with_etag,
)
from apps.core.api.errors import domain_error_response
from apps.core.api.renderer import ApiRenderer
from apps.core.errors import Conflict, RateLimited, Unavailable, wait_in_words
from apps.core.models import IdempotencyKey
from tests.factories.accounts import make_user


class ShelfFull(Conflict):
    message = "The shelf {0} is full."


class ShelfLine(RequestSerializer):
    quantity = StrictIntegerField(min_value=1)


class ShelfRequest(RequestSerializer):
    name = StrictCharField(max_length=80)
    lines = ShelfLine(many=True, required=False)
    outcome = serializers.ChoiceField(["made", "full", "away", "crash"], default="made")


class ShelfQuery(RequestSerializer):
    limit = serializers.CharField(required=False)


class ShelfViewSet(ApiViewSet):
    permission_classes = [AllowAny]
    list_actions = ()
    query_serializer_classes = {"list": ShelfQuery}
    request_serializer_classes = {"create": ShelfRequest}

    def list(self, request: Request) -> Response:
        return Response({"limit": self.read_query().get("limit")})

    @idempotent(required=True)
    def create(self, request: Request) -> Response:
        given = self.read_body()
        Category.objects.create(name=given["name"], slug=given["name"])
        if given["outcome"] == "full":
            raise ShelfFull(given["name"])
        if given["outcome"] == "away":
            raise Unavailable(retry_after=3)
        if given["outcome"] == "crash":
            raise RuntimeError("a bug")
        return Response({"name": given["name"]}, status=201, headers={"Location": f"/shelves/{given['name']}"})


def post(user: Any, body: Any, *, key: str | None = "key-00000001", path: str = "/api/v1/shelves") -> Response:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Idempotency-Key": key} if key is not None else {}
    request = APIRequestFactory().post(path, raw, content_type="application/json", headers=headers)
    force_authenticate(request, user=user)
    response = ShelfViewSet.as_view({"post": "create"})(request)
    return response.render()  # type: ignore[no-any-return]


def body_of(response: Response) -> dict[str, Any]:
    return dict(orjson.loads(response.content))


def statements_of(queries: CaptureQueriesContext) -> list[str]:
    """Return how each statement begins. The transaction of the request is a savepoint in that of the test."""
    begin, *statements, end = (" ".join(query["sql"].split()[:2]) for query in queries)
    assert (begin.split()[0], end.split()[0]) == ("SAVEPOINT", "RELEASE")
    return statements


def shelves() -> int:
    return Category.objects.count()


@pytest.mark.django_db
class TestErrors:
    @pytest.mark.parametrize(
        ("body", "code", "param"),
        [
            (b"", "required", "name"),
            (b'{"name":"a","name":"b"}', "malformed_json", None),
            ({"name": "a", "price": 1}, "unknown_field", "price"),
            ({"name": "a", "lines": [{"quantity": 1}, {"quantity": 1, "total": 5}]}, "unknown_field", "lines[1].total"),
            ({"name": "a", "lines": [{"quantity": "1"}]}, "invalid", "lines[0].quantity"),
            ({"name": "a", "lines": [{"quantity": True}]}, "invalid", "lines[0].quantity"),
            ({"name": "a", "lines": [{"quantity": 1.0}]}, "invalid", "lines[0].quantity"),
            ({"name": "a", "lines": [{"quantity": 0}]}, "min_value", "lines[0].quantity"),
            ({}, "required", "name"),
            ({"name": None}, "null", "name"),
            ({"name": 5}, "invalid", "name"),
            ({"name": " "}, "blank", "name"),
            ({"name": "x" * 81}, "max_length", "name"),
            ({"name": "two\r\nlines"}, "control", "name"),
            ({"name": "gpj.\u202eexe"}, "control", "name"),
            ({"name": "a" + "\u0301" * 60}, "control", "name"),
            ({"name": "a\u009b2J"}, "control", "name"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_kept(self, body: Any, code: str, param: str | None) -> None:
        response = post(make_user(), body)

        assert response.status_code == 400
        error = body_of(response)["error"]
        assert (error["type"], error["code"], error.get("param")) == ("invalid_request", code, param)
        assert "request_id" in error
        assert (shelves(), IdempotencyKey.objects.count()) == (0, 0)

    def test_a_megabyte_of_accents_costs_no_more_than_other_text(self) -> None:
        started = time.thread_time()

        response = post(make_user(), {"name": "a" + "\u0301" * 100_000 + "\u0316" * 100_000})

        assert (response.status_code, body_of(response)["error"]["code"]) == (400, "max_length")
        assert time.thread_time() - started < 5  # of our own time

    def test_a_body_in_chunks_is_refused_and_not_taken_for_none(self) -> None:
        request = APIRequestFactory().get("/api/v1/shelves", headers={"Transfer-Encoding": "chunked"})

        response = ShelfViewSet.as_view({"get": "list"})(request)

        assert (response.status_code, response.data["error"]["code"]) == (411, "length_required")

    def test_domain_error_has_its_message_and_code(self) -> None:
        error = body_of(post(make_user(), {"name": "a", "outcome": "full"}))["error"]

        assert (error["type"], error["code"], error["message"]) == ("conflict", "shelf_full", "The shelf a is full.")

    @pytest.mark.parametrize(("sqlstate", "retry_after"), [("57014", "1"), ("08006", "5")])
    def test_a_database_that_does_not_answer_is_a_503(
        self, monkeypatch: pytest.MonkeyPatch, sqlstate: str, retry_after: str
    ) -> None:
        failure = OperationalError("away")
        failure.__cause__ = type("Cause", (Exception,), {"sqlstate": sqlstate})()
        monkeypatch.setattr(ShelfViewSet, "list", lambda *_: (_ for _ in ()).throw(failure))

        response = ShelfViewSet.as_view({"get": "list"})(APIRequestFactory().get("/api/v1/shelves"))

        assert (response.status_code, response["Retry-After"], response.data["error"]["code"]) == (
            503,
            retry_after,
            "unavailable",
        )

    def test_another_media_type_and_method_are_refused_in_the_same_shape(self) -> None:
        view = ShelfViewSet.as_view({"post": "create"})
        xml = APIRequestFactory().post(
            "/api/v1/shelves", "<a/>", content_type="text/xml", headers={"Idempotency-Key": "k" * 8}
        )
        force_authenticate(xml, user=make_user())

        assert (view(xml).status_code, view(xml).data["error"]["code"]) == (415, "unsupported_media_type")
        refused = view(APIRequestFactory().delete("/api/v1/shelves"))
        assert (refused.status_code, refused.data["error"]["code"]) == (405, "method_not_allowed")
        assert refused["Allow"] == "POST"

    def test_a_method_that_is_not_there_is_refused_whatever_its_parameters(self) -> None:
        view = ShelfViewSet.as_view({"get": "list"})

        refused = view(APIRequestFactory().delete("/api/v1/shelves?color=red"))

        assert (refused.status_code, refused.data["error"]["code"]) == (405, "method_not_allowed")
        assert refused["Allow"] == "GET, HEAD"

    def test_allow_header_names_only_the_methods_of_the_route(self) -> None:
        view = ShelfViewSet.as_view({"get": "list"})

        assert view(APIRequestFactory().get("/api/v1/shelves"))["Allow"] == "GET, HEAD"
        assert view(APIRequestFactory().options("/api/v1/shelves")).status_code == 405


class TestQueryParameters:
    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("color=red", "unknown_parameter"),
            ("limit=1&limit=2", "duplicate_parameter"),
            ("limit=%00", "invalid_parameter"),
            ("owner__password__startswith=p", "unknown_parameter"),
            ("_connector=OR", "unknown_parameter"),
        ],
    )
    def test_what_a_list_does_not_know_is_refused(self, query: str, code: str) -> None:
        response = ShelfViewSet.as_view({"get": "list"})(APIRequestFactory().get(f"/api/v1/shelves?{query}"))

        assert (response.status_code, response.data["error"]["code"]) == (400, code)

    def test_what_it_knows_reaches_it(self) -> None:
        assert ShelfViewSet.as_view({"get": "list"})(APIRequestFactory().get("/api/v1/shelves?limit=7")).data == {
            "limit": "7"
        }


@pytest.mark.django_db
class TestIdempotency:
    def test_the_same_request_again_gets_the_same_answer_and_no_second_effect(self) -> None:
        user = make_user()
        first = post(user, {"name": "a", "outcome": "made"})

        again = post(user, b'{ "outcome": "made",  "name": "a" }')

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.content == first.content
        assert (again["Location"], again["Idempotent-Replayed"]) == ("/shelves/a", "true")
        assert "Idempotent-Replayed" not in first
        assert shelves() == 1

    def test_another_body_or_route_under_the_same_key_is_refused(self) -> None:
        user = make_user()
        post(user, {"name": "a"})

        for response in (post(user, {"name": "b"}), post(user, {"name": "a"}, path="/api/v1/other")):
            assert (response.status_code, body_of(response)["error"]["code"]) == (422, "idempotency_key_reused")
        assert shelves() == 1

    @pytest.mark.parametrize("path", ["/api/v1/shelves/%00/fill", f"/api/v1/shelves/{'x' * 300}/fill", "/api/v1/%ff"])
    def test_a_path_that_cannot_be_stored_is_a_path_like_others(self, path: str) -> None:
        user = make_user()

        assert post(user, {"name": "a"}, path=path).status_code == 201
        assert post(user, {"name": "a"}, path=path)["Idempotent-Replayed"] == "true"
        assert post(user, {"name": "a"}, path=f"{path}/2").status_code == 422
        assert shelves() == 1

    def test_the_effect_waits_for_locks_as_long_as_any_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []

        def look(view: ShelfViewSet, request: Request) -> Response:
            with connection.cursor() as cursor:
                cursor.execute("SHOW lock_timeout")
                seen.append(cursor.fetchone()[0])
            return Response({})

        monkeypatch.setattr(ShelfViewSet, "create", idempotent(required=True)(look))
        post(make_user(), {"name": "a"})

        assert seen == ["5s"]

    def test_another_persons_key_is_another_key(self) -> None:
        post(make_user(), {"name": "a"})

        assert post(make_user(), {"name": "b"}).status_code == 201
        assert shelves() == 2

    def test_conflict_is_stored_and_its_effect_rolled_back(self) -> None:
        user = make_user()
        first = post(user, {"name": "a", "outcome": "full"})
        again = post(user, {"name": "a", "outcome": "full"})

        assert (first.status_code, again.status_code, again["Idempotent-Replayed"]) == (409, 409, "true")
        assert body_of(again)["error"]["code"] == "shelf_full"
        assert shelves() == 0

    def test_key_and_response_are_two_statements(self) -> None:
        user = make_user()

        with CaptureQueriesContext(connection) as made:
            post(user, {"name": "a"})
        with CaptureQueriesContext(connection) as replayed:
            post(user, {"name": "a"})

        assert statements_of(made) == ["WITH locked", "INSERT INTO", "UPDATE core_idempotencykey"]
        assert statements_of(replayed) == ["WITH locked", "SELECT fingerprint,"]

    def test_a_key_whose_time_is_over_is_claimed_anew(self) -> None:
        user = make_user()
        post(user, {"name": "a"})
        IdempotencyKey.objects.update(expires_at=clock.now() - timedelta(milliseconds=1))

        again = post(user, {"name": "b"})

        assert (again.status_code, body_of(again), shelves()) == (201, {"name": "b"}, 2)
        [stored] = IdempotencyKey.objects.values_list("status", "body", "headers")
        assert (stored[0], bytes(stored[1]), stored[2]) == (201, b'{"name":"b"}', {"Location": "/shelves/b"})
        assert post(user, {"name": "b"})["Idempotent-Replayed"] == "true"

    def test_a_key_may_be_used_again_after_a_refused_body_or_a_failure_of_ours(self) -> None:
        user = make_user()
        assert post(user, {"name": ""}).status_code == 400
        away = post(user, {"name": "a", "outcome": "away"})
        assert (away.status_code, away["Retry-After"]) == (503, "3")
        with pytest.raises(RuntimeError), transaction.atomic():
            post(user, {"name": "a", "outcome": "crash"})
        assert shelves() == 0

        assert post(user, {"name": "a"}).status_code == 201

    @pytest.mark.parametrize("key", ["", "short", "x" * 256, "with space", "नमस्ते नमस्ते", "tab\tinside"])
    def test_a_malformed_key_is_refused(self, key: str) -> None:
        response = post(make_user(), {"name": "a"}, key=key)

        assert (response.status_code, body_of(response)["error"]["code"]) == (400, "idempotency_key_malformed")
        assert shelves() == 0

    def test_a_missing_key_is_refused(self) -> None:
        response = post(make_user(), {"name": "a"}, key=None)

        assert (response.status_code, body_of(response)["error"]["code"]) == (400, "idempotency_key_missing")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestIdempotencyRaces:
    def run(self, call: Callable[[], Response], copies: int) -> list[Response]:
        barrier = threading.Barrier(copies)
        responses: list[Response] = []

        def work() -> None:
            barrier.wait()
            try:
                responses.append(call())
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(copies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return responses

    def test_twenty_copies_at_once_take_effect_once(self) -> None:
        user = make_user()

        responses = self.run(lambda: post(user, {"name": "a"}), 20)

        assert {response.status_code for response in responses} <= {201, 409}
        made = [response for response in responses if response.status_code == 201]
        assert len([response for response in made if "Idempotent-Replayed" not in response]) == 1
        assert len({response.content for response in made}) == 1
        assert shelves() == 1

    def test_copies_of_which_some_are_refused_have_one_response(self, monkeypatch: pytest.MonkeyPatch) -> None:
        user, calls = make_user(), itertools.count(1)

        def create(view: ShelfViewSet, request: Request) -> Response:
            name = f"shelf-{next(calls)}"
            Category.objects.create(name=name, slug=name)
            if name != "shelf-3":
                raise ShelfFull(name)
            return Response({"name": name}, status=201)

        monkeypatch.setattr(ShelfViewSet, "create", idempotent(required=True)(create))

        responses = self.run(lambda: post(user, {"name": "a"}), 12)

        final = [each for each in responses if b"request_in_flight" not in each.content]
        assert len({(each.status_code, each.content) for each in final}) == 1
        assert shelves() == (1 if final[0].status_code == 201 else 0)

    def test_response_of_a_copy_that_took_effect_after_a_refusal_is_that_of_both(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        user, calls = make_user(), itertools.count(1)

        def create(view: ShelfViewSet, request: Request) -> Response:
            if next(calls) == 1:
                raise ShelfFull("a")
            Category.objects.create(name="a", slug="a")
            return Response({"name": "a"}, status=201)

        def respond_late(error: ShelfFull) -> Response:
            """Let a copy take effect between the refusal and its storage."""
            copies.extend(self.run(lambda: post(user, {"name": "a"}), 1))
            return domain_error_response(error)

        copies: list[Response] = []
        monkeypatch.setattr(ShelfViewSet, "create", idempotent(required=True)(create))
        monkeypatch.setattr("apps.core.api.idempotency.domain_error_response", respond_late)

        first = post(user, {"name": "a"})

        assert (copies[0].status_code, "Idempotent-Replayed" in copies[0]) == (201, False)
        assert (first.status_code, first.content, first["Idempotent-Replayed"]) == (201, copies[0].content, "true")
        assert shelves() == 1

    def test_control_without_a_shared_key_each_copy_takes_effect(self) -> None:
        user = make_user()
        names = iter(f"shelf-{number}" for number in range(5))
        lock = threading.Lock()

        def call() -> Response:
            with lock:
                name = next(names)
            return post(user, {"name": name}, key=f"key-of-{name}")

        self.run(call, 5)

        assert shelves() == 5

    def test_copy_waits_a_quarter_second_and_then_gets_retry_after(self) -> None:
        user = make_user()
        release = threading.Event()
        entered = threading.Event()
        original = ShelfViewSet.create

        def first() -> None:
            with transaction.atomic():
                post(user, {"name": "a"})
                entered.set()
                release.wait(60)
            connection.close()

        thread = threading.Thread(target=first)
        thread.start()
        entered.wait(60)
        response = post(user, {"name": "a"})
        release.set()
        thread.join()

        assert (response.status_code, response["Retry-After"]) == (409, "1")
        assert body_of(response)["error"]["code"] == "request_in_flight"
        assert post(user, {"name": "a"})["Idempotent-Replayed"] == "true"
        assert ShelfViewSet.create is original


class TestNegotiation:
    def get(self, **headers: str) -> Response:
        view = ShelfViewSet.as_view({"get": "list"})
        return view(APIRequestFactory().get("/api/v1/shelves", headers=headers)).render()

    @pytest.mark.parametrize("accepted", ["*/*", "application/json", "text/html, */*;q=0.1", "application/*"])
    def test_a_client_that_takes_json_gets_it(self, accepted: str) -> None:
        with mock.patch.object(ApiViewSet, "perform_content_negotiation", GenericViewSet.perform_content_negotiation):
            by_rest_framework = self.get(Accept=accepted)

        answer = self.get(Accept=accepted)

        assert (answer.status_code, answer["Content-Type"]) == (200, by_rest_framework["Content-Type"])
        assert (answer.accepted_media_type, answer.content) == (
            by_rest_framework.accepted_media_type, by_rest_framework.content,
        )  # fmt: skip

    @pytest.mark.parametrize("accepted", ["text/html", "application/xml, text/*"])
    def test_another_gets_406(self, accepted: str) -> None:
        assert self.get(Accept=accepted).status_code == 406


class TestEncoding:
    """An answer is encoded once, for its ETag and its body."""

    def answer(self, data: Any, change: Any = None) -> Response:
        request = Request(APIRequestFactory().get("/"))
        response = with_etag(request, data)
        response.accepted_renderer, response.accepted_media_type = ApiRenderer(), "application/json"
        response.renderer_context = {}
        if change is not None:
            response.data = change
        return response.render()

    def test_once(self) -> None:
        with mock.patch.object(renderer, "to_json", wraps=renderer.to_json) as encode, \
             mock.patch.object(responses, "to_json", encode):  # fmt: skip
            response = self.answer({"name": "दीया"})

        assert response.content == '{"name":"दीया"}'.encode()
        assert response["ETag"] == f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        assert encode.call_count == 1

    def test_what_replaces_the_data_is_encoded(self) -> None:
        assert self.answer({"name": "a"}, change={"name": "b"}).content == b'{"name":"b"}'


@pytest.mark.django_db
class TestConditionalRequests:
    def get(self, **headers: str) -> Response:
        request = Request(APIRequestFactory().get("/", headers=headers))
        return with_etag(request, {"a": 1}, etag='"v3"')

    def test_a_client_that_has_the_answer_gets_304(self) -> None:
        first = self.get()

        assert (first.status_code, first["ETag"]) == (200, '"v3"')
        for seen in ('"v3"', 'W/"v3"', '"v1", "v3"', "*"):
            again = self.get(**{"If-None-Match": seen})
            assert (again.status_code, again.data) == (304, None)
        assert self.get(**{"If-None-Match": '"v2"'}).status_code == 200

    @pytest.mark.parametrize(
        ("header", "code"), [(None, "precondition_required"), ('"v2"', "version_mismatch"), ("v3", "version_mismatch")]
    )
    def test_a_change_needs_the_present_version(self, header: str | None, code: str) -> None:
        user = make_user(version=3)
        request = APIRequestFactory().patch("/", headers={"If-Match": header} if header else {})

        with pytest.raises(Exception) as refusal:
            check_if_match(Request(request), user)

        assert refusal.value.code == code  # type: ignore[attr-defined]

    def test_the_present_version_may_change_it(self) -> None:
        request = APIRequestFactory().patch("/", headers={"If-Match": '"v3"'})

        check_if_match(Request(request), make_user(version=3))


class TestClientIp:
    @pytest.mark.parametrize(
        ("hops", "forwarded", "expected"),
        [
            (0, "1.2.3.4", "10.0.0.9"),
            (1, "1.2.3.4", "1.2.3.4"),
            (1, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
            (2, "6.6.6.6, 1.2.3.4, 10.0.0.1", "1.2.3.4"),
            (2, "1.2.3.4", "10.0.0.9"),
            (1, "", "10.0.0.9"),
            (1, "<script>", "0.0.0.0"),
        ],
    )
    def test_only_what_trusted_proxies_wrote_counts(
        self, settings: Any, hops: int, forwarded: str, expected: str
    ) -> None:
        settings.TRUSTED_PROXY_HOPS = hops
        request = APIRequestFactory().get("/", REMOTE_ADDR="10.0.0.9", HTTP_X_FORWARDED_FOR=forwarded)

        assert client_ip(request) == expected


@pytest.fixture
def peer() -> Iterator[Callable[..., str]]:
    """
    Return a function that starts a peer which sends these pieces, with a pause after each, and returns its base URL.

    If `first` is given, each connection has that answer for its first request, and the pieces for its second.
    """
    servers = []

    def start(*pieces: bytes, pause: float = 0, first: bytes = b"") -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    caller, _ = server.accept()
                    with caller, contextlib.suppress(OSError):
                        caller.recv(65_536)
                        if first:
                            caller.sendall(first)
                            caller.recv(65_536)
                        for piece in pieces:
                            caller.sendall(piece)
                            time.sleep(pause)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


class TestClient:
    OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"

    def test_an_answer_is_its_status_json_and_text(self, peer: Callable[..., str]) -> None:
        answer = http.Client(peer(self.OK, '{"name":"नमस्ते"}'.encode())).call("GET", "/")

        assert (answer.status, answer.body, answer.text) == (200, {"name": "नमस्ते"}, '{"name":"नमस्ते"}')

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[" * 100_000, b"\xff", b"9" * 5000])
    def test_a_body_that_is_no_json_is_none(self, peer: Callable[..., str], body: bytes) -> None:
        assert http.Client(peer(self.OK, body)).call("GET", "/").body is None

    def test_a_redirect_is_not_followed(self, peer: Callable[..., str]) -> None:
        elsewhere = peer(self.OK, b'{"stolen":true}')
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()

        answer = http.Client(peer(moved), auth=("id", "secret")).call("POST", "/", json={})

        assert (answer.status, answer.is_success) == (307, False)

    def test_a_proxy_of_the_environment_is_not_used(
        self, peer: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")

        assert http.Client(peer(self.OK, b"{}")).call("GET", "/").status == 200

    def test_slow_response_is_no_response(self, peer: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(http, "_LONGEST_ANSWER", 0.3)

        with pytest.raises(http.NoResponse, match="took too long"):
            http.Client(peer(self.OK, *[b" "] * 20, pause=0.1)).call("GET", "/")

    @pytest.mark.parametrize("is_kept", [False, True])
    def test_slow_response_head_is_no_response(
        self, peer: Callable[..., str], monkeypatch: pytest.MonkeyPatch, is_kept: bool
    ) -> None:
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        drops = [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 400]
        client = http.Client(peer(*drops, pause=0.1, first=whole if is_kept else b""))
        if is_kept:
            assert client.call("GET", "/").body == {}
        monkeypatch.setattr(http, "_LONGEST_ANSWER", 0.3)

        with pytest.raises(http.NoResponse, match="took too long") as unknown:
            client.call("POST", "/", json={})

        assert not isinstance(unknown.value, http.ConnectionFailed)

    def test_an_answer_in_time_keeps_its_connection(
        self, peer: Callable[..., str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(http, "_LONGEST_ANSWER", 2)
        whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        client = http.Client(peer(whole, first=whole))

        first = client.call("GET", "/")
        time.sleep(2.5)  # the deadline of the first call must not end what the second one uses
        second = client.call("GET", "/")

        assert (first.body, second.body) == ({}, {})

    def test_an_answer_in_chunks_and_compressed_is_read(self, peer: Callable[..., str]) -> None:
        packed = gzip.compress(b'{"a":1}')
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n\r\n"

        answer = http.Client(peer(head, b"%x\r\n%b\r\n" % (len(packed), packed), b"0\r\n\r\n")).call("GET", "/")

        assert answer.body == {"a": 1}

    def test_incomplete_response_is_no_response(self, peer: Callable[..., str]) -> None:
        with pytest.raises(http.NoResponse):
            http.Client(peer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"{}")).call("GET", "/")

    def test_endless_response_is_read_only_to_the_limit(self, peer: Callable[..., str]) -> None:
        with pytest.raises(http.ResponseTooLarge, match="the response is larger than 4 MiB and was not read"):
            http.Client(peer(self.OK, *[b" " * 1_048_576] * 20)).call("GET", "/")

    def test_an_answer_of_the_largest_size_is_read(self, peer: Callable[..., str]) -> None:
        body = b'{"a":"' + b"b" * (4 * 1_048_576 - 8) + b'"}'

        answer = http.Client(peer(self.OK, body)).call("GET", "/")

        assert (len(answer.body["a"]), len(answer.text)) == (4 * 1_048_576 - 8, 65_536)

    def test_an_answer_that_is_announced_as_too_large_is_not_waited_for(self, peer: Callable[..., str]) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 4194305\r\n\r\n"

        with pytest.raises(http.ResponseTooLarge):
            http.Client(peer(head)).call("GET", "/")

    def test_a_small_answer_that_unpacks_to_a_large_one_is_refused(self, peer: Callable[..., str]) -> None:
        packed = gzip.compress(b" " * 16 * 1_048_576)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
        assert len(packed) < 20_000

        with pytest.raises(http.ResponseTooLarge):
            http.Client(peer(head, packed)).call("GET", "/")

    def test_closed_connection_is_no_response_and_refused_connection_is_connection_failed(
        self, peer: Callable[..., str]
    ) -> None:
        with pytest.raises(http.NoResponse) as unknown:
            http.Client(peer()).call("POST", "/", json={})
        assert not isinstance(unknown.value, http.ConnectionFailed)

        with pytest.raises(http.ConnectionFailed):
            http.Client("http://127.0.0.1:9").call("POST", "/", json={})

    @pytest.mark.django_db
    def test_a_call_inside_a_transaction_is_refused(self, peer: Callable[..., str]) -> None:
        with pytest.raises(http.CalledInsideTransaction), transaction.atomic():
            http.Client(peer(self.OK)).call("GET", "/")


class ColourRequest(RequestSerializer):
    colour = serializers.ChoiceField(choices=["red", "green"])


class TestMessages:
    def test_wrong_choice_gets_the_list_of_choices(self) -> None:
        shape = ColourRequest(data={"colour": "blue"})

        assert not shape.is_valid()
        assert str(shape.errors["colour"][0]) == "This is none of the choices: red, green."
        assert shape.errors["colour"][0].code == "invalid_choice"

    @pytest.mark.parametrize(
        ("error", "sentence"),
        [
            (RateLimited(retry_after=60), "Too many attempts. Try again in 60 seconds."),
            (RateLimited(retry_after=91), "Too many attempts. Try again in 2 minutes."),
            (
                Unavailable(retry_after=5),
                "The service is not available at the moment. Nothing was done; try again in 5 seconds.",
            ),
            (
                Unavailable(),
                "The service is not available at the moment. Nothing was done; try again in a moment.",
            ),
        ],
    )
    def test_rate_limited_request_gets_the_seconds_to_wait(self, error: Any, sentence: str) -> None:
        assert error.text == sentence

    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(1, "1 second"), (42, "42 seconds"), (90, "90 seconds"), (91, "2 minutes"), (120, "2 minutes"), (121, "3 minutes"),
         (7_200, "120 minutes"), (7_201, "3 hours"), (86_400, "24 hours")],
    )  # fmt: skip
    def test_a_wait_is_told_in_a_fitting_unit_and_never_too_short(self, seconds: int, text: str) -> None:
        assert wait_in_words(seconds) == text

    def test_retry_after_stays_exact_to_the_second(self) -> None:
        response = domain_error_response(RateLimited(retry_after=91))

        assert (response.status_code, response["Retry-After"]) == (429, "91")
        assert response.data["error"]["code"] == "rate_limited"
