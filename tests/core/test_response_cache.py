"""Public responses are made once for each version, whatever Redis does meanwhile."""

import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.db import OperationalError
from django.http import HttpResponse
from django.test import RequestFactory
from redis.exceptions import OutOfMemoryError

from apps.core import redis_client, response_store
from apps.core.api import response_cache
from apps.core.api.response_cache import CacheDescription, ResponseCache

GET = RequestFactory().get
_MICROSECONDS = 1_000_000


class Shop:
    """What a cache shows: a text with its version, and how often a response was made of it."""

    def __init__(self) -> None:
        self.version = int(time.time() * _MICROSECONDS)
        self.text = "one"
        self.made = 0
        self.lock = threading.Lock()
        self.meanwhile: Callable[[], None] = lambda: None

    def change(self, text: str) -> None:
        self.text, self.version = text, self.version + 1

    def make(self) -> HttpResponse:
        with self.lock:
            self.made += 1
        text = self.text
        self.meanwhile()
        return HttpResponse(text, headers={"ETag": f'"{text}"', "Cache-Control": "public", "X-Request-Id": "req_1"})


@pytest.fixture(autouse=True)
def _cache_is_on(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.RESPONSE_CACHE_BYTES = 100_000
    monkeypatch.setattr(response_cache, "VERSION_SECONDS", 0.0)
    redis_client.open_redis.cache_clear()


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def name() -> str:
    return f"test-{uuid4().hex}"


def make_cache(name: str, shop: Shop, **changes: Any) -> ResponseCache:
    description = CacheDescription(name=name, holds="", key="", life="", ends="")
    arguments: dict[str, Any] = {"read_version": lambda: shop.version, "shared_params": frozenset({"limit"}), **changes}
    return ResponseCache(description, **arguments)


@pytest.fixture
def cache(name: str, shop: Shop) -> ResponseCache:
    return make_cache(name, shop)


class TestRespond:
    def test_one_version_is_made_once(self, cache: ResponseCache, shop: Shop) -> None:
        answers = [cache.respond(GET("/a?limit=1&b=2"), shop.make), cache.respond(GET("/a?b=2&limit=1"), shop.make)]

        assert [answer.content for answer in answers] == [b"one", b"one"]
        assert [dict(answer.headers) for answer in answers] == [
            {"Content-Type": "text/html; charset=utf-8", "ETag": '"one"', "Cache-Control": "public"}
        ] * 2
        assert shop.made == 1

    def test_a_new_version_is_made_anew(self, cache: ResponseCache, shop: Shop) -> None:
        cache.respond(GET("/a"), shop.make)
        shop.change("two")

        assert cache.respond(GET("/a"), shop.make).content == b"two"
        assert shop.made == 2

    def test_a_response_is_not_kept_for_newer_than_it_is(self, cache: ResponseCache, shop: Shop) -> None:
        shop.meanwhile = lambda: shop.change("two")  # after the text was read
        assert cache.respond(GET("/a"), shop.make).content == b"one"
        shop.meanwhile = lambda: None

        assert cache.respond(GET("/a"), shop.make).content == b"two"

    def test_a_client_that_has_it_is_told_so(self, cache: ResponseCache, shop: Shop) -> None:
        first = cache.respond(GET("/a", headers={"If-None-Match": '"one"'}), shop.make)
        second = cache.respond(GET("/a", headers={"If-None-Match": 'W/"none", "one"'}), shop.make)
        other = cache.respond(GET("/a", headers={"If-None-Match": '"two"'}), shop.make)

        assert [(each.status_code, each.content) for each in (first, second, other)] == [
            (304, b""),
            (304, b""),
            (200, b"one"),
        ]
        assert dict(second.headers) == {"ETag": '"one"', "Cache-Control": "public"}
        assert shop.made == 1

    @pytest.mark.parametrize(
        ("method", "headers", "path"),
        [
            ("GET", {"Authorization": "Bearer x"}, "/a"),
            ("GET", {"Accept": "text/html"}, "/a"),
            ("POST", {}, "/a"),
            ("GET", {}, "/" + "a" * 500),
        ],
    )
    def test_these_are_neither_stored_nor_answered_from_the_store(
        self, cache: ResponseCache, shop: Shop, method: str, headers: dict[str, str], path: str
    ) -> None:
        cache.respond(GET("/a"), shop.make)

        for made in (2, 3):
            cache.respond(RequestFactory().generic(method, path, headers=headers), shop.make)
            assert shop.made == made

    @pytest.mark.parametrize("answer", [HttpResponse("no", status=404), HttpResponse(b"x" * (512 * 1024 + 1))])
    def test_refusals_and_what_is_large_are_not_stored(self, cache: ResponseCache, answer: HttpResponse) -> None:
        made = []
        for _ in range(2):
            assert cache.respond(GET("/a"), lambda: made.append(1) or answer) is answer  # type: ignore[func-returns-value]
        assert len(made) == 2

    def test_nothing_is_stored_if_turned_off(self, cache: ResponseCache, shop: Shop, settings: Any) -> None:
        settings.RESPONSE_CACHE_BYTES = 0
        for _ in range(2):
            cache.respond(GET("/a"), shop.make)
        assert shop.made == 2

    def test_without_postgres_each_is_made(self, name: str, shop: Shop) -> None:
        def fail() -> int:
            raise OperationalError

        cache = make_cache(name, shop, read_version=fail)
        for _ in range(2):
            assert cache.respond(GET("/a"), shop.make).content == b"one"
        assert shop.made == 2

    def test_a_database_that_does_not_answer_is_asked_once_in_a_while(
        self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(response_cache, "VERSION_SECONDS", 3_600.0)
        asked = []

        def fail() -> int:
            asked.append(1)
            raise OperationalError

        cache = make_cache(name, shop, read_version=fail)
        for _ in range(3):
            cache.respond(GET("/a"), shop.make)
        assert len(asked) == 1

    def test_what_a_restored_backup_has_lost_is_not_shown(self, name: str, shop: Shop) -> None:
        shop.version -= 3_600 * _MICROSECONDS
        one, other = make_cache(name, shop), make_cache(name, shop)
        before = shop.version
        shop.change("lost")
        for each in (one, other):
            each.respond(GET("/a"), shop.make)

        shop.text, shop.version = "restored", before

        assert one.respond(GET("/a"), shop.make).content == b"restored"
        assert make_cache(name, shop).respond(GET("/a"), shop.make).content == b"restored"

    def test_a_question_mark_within_a_path_is_not_mistaken(self, cache: ResponseCache, shop: Shop) -> None:
        for path in ("/a?limit=1", "/a%3Flimit=1"):
            cache.respond(GET(path), shop.make)
        assert shop.made == 2

    def test_letters_beyond_ascii_are_not_mistaken(self, cache: ResponseCache, shop: Shop) -> None:
        """Django reads the bytes of a query as UTF-8, and WSGI hands them over as Latin-1."""
        for query in ("q=\u00c3\u00a9", "q=%C3%83%C2%A9"):
            request = GET("/a")
            request.META["QUERY_STRING"] = query
            cache.respond(request, shop.make)
        assert shop.made == 2

    def test_the_version_is_read_once_in_its_time(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_cache, "VERSION_SECONDS", 3_600.0)
        reads = []
        cache = make_cache(name, shop, read_version=lambda: reads.append(1) or shop.version)  # type: ignore[func-returns-value]

        for _ in range(3):
            cache.respond(GET("/a"), shop.make)
        assert len(reads) == 1

        monkeypatch.setattr(response_cache, "VERSION_SECONDS", 0.0)
        cache.respond(GET("/a"), shop.make)
        assert len(reads) == 2


class TestMemory:
    def test_what_was_not_used_longest_goes_first(self, cache: ResponseCache, shop: Shop, settings: Any) -> None:
        settings.RESPONSE_CACHE_BYTES = 1_300  # two of these
        for path in ("/a?q=1", "/a?q=2", "/a?q=1", "/a?q=3"):
            cache.respond(GET(path), shop.make)
        assert shop.made == 3

        cache.respond(GET("/a?q=1"), shop.make)
        assert shop.made == 3
        cache.respond(GET("/a?q=2"), shop.make)
        assert shop.made == 4


class TestRedis:
    def test_two_processes_share_what_one_has_made(self, name: str, shop: Shop) -> None:
        one, other = make_cache(name, shop), make_cache(name, shop)

        answers = [each.respond(GET("/a?limit=1"), shop.make) for each in (one, other)]

        assert dict(answers[0].headers) == dict(answers[1].headers)
        assert answers[1].content == b"one"
        assert shop.made == 1

    def test_two_shops_on_one_redis_are_not_shown_each_others(self, name: str, shop: Shop, settings: Any) -> None:
        """Both have just changed theirs, the other one later: its version passes for one that this process has not learnt of."""
        other = Shop()
        other.change("other")
        settings.PUBLIC_URL = "https://other.example"
        assert make_cache(name, other).respond(GET("/a"), other.make).content == b"other"
        settings.PUBLIC_URL = "https://shop.example"

        assert make_cache(name, shop).respond(GET("/a"), shop.make).content == b"one"
        assert (shop.made, other.made) == (1, 1)

    def test_two_databases_of_one_address_are_not_shown_each_others(
        self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = Shop()
        other.change("other")
        make_cache(name, other).respond(GET("/a"), other.make)
        monkeypatch.setitem(django_settings.DATABASES["default"], "NAME", "another")

        assert make_cache(name, shop).respond(GET("/a"), shop.make).content == b"one"

    def test_what_people_type_is_not_shared(self, name: str, shop: Shop) -> None:
        for each in (make_cache(name, shop), make_cache(name, shop)):
            each.respond(GET("/a?limit=1&q=x"), shop.make)
        assert shop.made == 2

    def test_a_change_that_one_makes_is_seen_by_the_other(self, name: str, shop: Shop) -> None:
        one, other = make_cache(name, shop), make_cache(name, shop)
        for each in (one, other):
            each.respond(GET("/a"), shop.make)
        shop.change("two")

        assert [each.respond(GET("/a"), shop.make).content for each in (one, other)] == [b"two", b"two"]
        assert shop.made == 2

    def test_flushed_redis_loses_nothing(self, name: str, shop: Shop) -> None:
        one = make_cache(name, shop)
        one.respond(GET("/a"), shop.make)
        for key in response_store._client().scan_iter(f"bahi:responses:{name}*"):
            response_store._client().delete(key)

        assert one.respond(GET("/a"), shop.make).content == b"one"
        assert shop.made == 1
        assert make_cache(name, shop).respond(GET("/a"), shop.make).content == b"one"
        assert shop.made == 2

    def test_bytes_that_are_no_response_are_made_anew(self, name: str, shop: Shop) -> None:
        for packed in (b"", b"x", b"\x00" * 8 + b"\xff\xff{", b"\x7f" * 8 + b"\x00\x02{"):
            response_store._client().set(f"{make_cache(name, shop).shared.prefix}:/a", packed)
            shop.change(str(packed))
            assert make_cache(name, shop).respond(GET("/a"), shop.make).content == str(packed).encode()

    def test_takes_no_more_than_its_share(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_store, "MAX_SHARED_BYTES", 2_500)
        one = make_cache(name, shop)
        for path in ("/a", "/b", "/c", "/d"):
            one.respond(GET(path), shop.make)

        kept = list(response_store._client().scan_iter(f"{make_cache(name, shop).shared.prefix}:*"))
        assert 1 <= len(kept) <= 3
        assert all(0 < response_store._client().ttl(key) <= 300 for key in kept)

    def test_a_full_redis_is_left_alone(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = []

        class Full:
            def get(self, key: str) -> bytes:
                asked.append(key)
                raise OutOfMemoryError

        monkeypatch.setattr(response_store, "_client", Full)
        monkeypatch.setattr(response_store, "_PAUSE_SECONDS", 3_600.0)
        cache = make_cache(name, shop)

        for path in ("/a", "/b", "/a"):
            assert cache.respond(GET(path), shop.make).content == b"one"
        assert (shop.made, len(asked)) == (2, 1)

    def test_counts_are_those_of_all_processes(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_cache, "_COUNT_SECONDS", 0)
        for each in (make_cache(name, shop), make_cache(name, shop)):
            for _ in range(3):
                each.respond(GET("/a"), shop.make)
            each.respond(GET("/a"), shop.make)  # adds the three before it

        assert make_cache(name, shop).read_counts() == {"misses": 1, "hits": 4, "shared_hits": 1}


class TestStampede:
    def run(self, *calls: Callable[[], Any]) -> list[Any]:
        results: list[Any] = [None] * len(calls)

        def call(place: int) -> None:
            results[place] = calls[place]()

        threads = [threading.Thread(target=call, args=(place,)) for place in range(len(calls))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    def test_many_who_ask_at_once_have_it_made_once(self, name: str, shop: Shop) -> None:
        """Of two processes, four requests each, all but one wait."""
        one, other = make_cache(name, shop), make_cache(name, shop)
        shop.meanwhile = lambda: time.sleep(0.2)

        answers = self.run(*[lambda each=each: each.respond(GET("/a"), shop.make) for each in (one, other) * 4])

        assert [answer.content for answer in answers] == [b"one"] * 8
        assert shop.made == 1

    @pytest.mark.parametrize("is_other_process", [False, True])
    def test_those_who_have_the_older_one_do_not_wait(self, name: str, shop: Shop, is_other_process: bool) -> None:
        one = make_cache(name, shop)
        other = make_cache(name, shop) if is_other_process else one
        for each in (one, other):
            each.respond(GET("/a"), shop.make)
        shop.change("two")
        answered = threading.Event()
        began = threading.Event()

        def wait_for_the_other() -> None:
            began.set()
            assert answered.wait(60)

        shop.meanwhile = wait_for_the_other

        def ask_meanwhile() -> Any:
            assert began.wait(60)
            answer = other.respond(GET("/a"), shop.make)
            answered.set()
            return answer

        new, older = self.run(lambda: one.respond(GET("/a"), shop.make), ask_meanwhile)

        assert (new.content, older.content) == (b"two", b"one")
        assert shop.made == 2

    def test_one_of_before_the_last_change_but_one_is_not_given(self, name: str, shop: Shop) -> None:
        """It was made on Monday and changed on Tuesday; that something else changes on Friday does not make it good again."""
        one = make_cache(name, shop)
        one.respond(GET("/a"), shop.make)
        shop.change("two")
        one.respond(GET("/other"), shop.make)  # the process reads the version
        shop.change("three")
        shop.meanwhile = lambda: time.sleep(0.2)

        answers = self.run(*[lambda: one.respond(GET("/a"), shop.make) for _ in range(3)])

        assert [answer.content for answer in answers] == [b"three"] * 3
        assert shop.made == 3

    def test_an_older_one_is_not_given_for_long(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_cache, "STALE_SECONDS", -1)
        one = make_cache(name, shop)
        one.respond(GET("/a"), shop.make)
        shop.change("two")
        shop.meanwhile = lambda: time.sleep(0.2)

        answers = self.run(*[lambda: one.respond(GET("/a"), shop.make) for _ in range(3)])

        assert [answer.content for answer in answers] == [b"two"] * 3
        assert shop.made == 2

    def test_nobody_waits_for_a_refusal(self, name: str, shop: Shop) -> None:
        """The second request begins while the first is being refused; both are refused at the same time by the third."""
        together = threading.Barrier(3)
        one = make_cache(name, shop)

        def refuse() -> HttpResponse:
            with shop.lock:
                shop.made += 1
            if shop.made > 1:
                together.wait(60)
            return HttpResponse("no", status=404)

        one.respond(GET("/a"), refuse)
        answers = self.run(*[lambda: one.respond(GET("/a"), refuse) for _ in range(3)])

        assert [answer.status_code for answer in answers] == [404] * 3

    def test_a_failure_is_not_remembered_for_long(self, name: str, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(response_cache, "_NOT_STORED_SECONDS", 0)
        one = make_cache(name, shop)
        assert one.respond(GET("/a"), lambda: HttpResponse(status=503)).status_code == 503

        answers = [one.respond(GET("/a"), shop.make) for _ in range(2)]

        assert [answer.content for answer in answers] == [b"one"] * 2
        assert shop.made == 1

    def test_a_maker_that_fails_leaves_it_to_the_next(self, name: str, shop: Shop) -> None:
        cache = make_cache(name, shop)

        def fail() -> None:
            raise ZeroDivisionError

        shop.meanwhile = fail
        with pytest.raises(ZeroDivisionError):
            cache.respond(GET("/a"), shop.make)
        shop.meanwhile = lambda: None

        assert cache.respond(GET("/a"), shop.make).content == b"one"
