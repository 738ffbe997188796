import base64
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import BooleanField, DateField, DecimalField, F, Field, FloatField, IntegerField
from django.db.models.functions import Cast
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from apps.core import clock
from apps.core.api import ApiViewSet
from apps.core.api.pagination import InvalidCursor, InvalidLimit, InvalidSort, KeysetPagination, Page
from apps.core.events import SYSTEM
from apps.core.models import Event, Outbox
from tests.factories.accounts import make_user
from tests.support.events import record_event

pytestmark = pytest.mark.django_db

PAGER = KeysetPagination(sorts={"created_at": "created_at", "name": "type"}, default="-created_at", scope="events")


def make_events(count: int, *, ties: bool) -> list[Event]:
    now, user = clock.now(), make_user()
    return Event.objects.bulk_create(
        Event(
            type="same" if ties else f"type-{number:04d}", subject_type="x", subject_id=user.pk, version=number, actor="system",
            created_at=now if ties else now + timedelta(seconds=number),
        )
        for number in range(1, count + 1)
    )  # fmt: skip


def page(**params: str) -> Page:
    return PAGER.page(Event.objects.all(), params)


def walk(direction: str, start: str | None = None, **params: str) -> list[int]:
    seen: list[int] = []
    cursor = start
    for _ in range(100):
        got = page(**params, **({"cursor": cursor} if cursor else {}))
        rows = [row.version for row in got.rows]
        seen += rows if direction == "next" else rows[::-1]
        cursor = got.next_cursor if direction == "next" else got.prev_cursor
        if cursor is None:
            return seen
    raise AssertionError("the list has no end")


@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
def test_every_row_comes_once_in_both_directions(ties: bool, sort: str) -> None:
    make_events(23, ties=ties)
    expected = list(range(1, 24)) if not sort.startswith("-") else list(range(23, 0, -1))

    forth = walk("next", limit="5", sort=sort)
    last_page = page(limit="5", sort=sort)
    while last_page.next_cursor:
        last_page = page(limit="5", sort=sort, cursor=last_page.next_cursor)
    back = [row.version for row in reversed(last_page.rows)] + walk("prev", last_page.prev_cursor, limit="5", sort=sort)

    assert forth == expected
    assert back == expected[::-1]


def test_rows_added_and_deleted_meanwhile_cause_no_gap_and_no_repeat() -> None:
    events = make_events(10, ties=False)
    first = page(limit="4")
    user = make_user()
    Event.objects.create(
        type="new",
        subject_type="x",
        subject_id=user.pk,
        version=1,
        actor="s",
        created_at=clock.now() + timedelta(days=1),
    )

    second = page(limit="4", cursor=first.next_cursor or "")

    assert [row.pk for row in first.rows + second.rows] == [event.pk for event in reversed(events[2:])]


def test_the_ends_of_a_list_have_no_further_cursor() -> None:
    make_events(3, ties=True)

    only = page(limit="3")

    assert (only.next_cursor, only.prev_cursor, len(only.rows)) == (None, None, 3)
    assert only.envelope([])["has_more"] is False
    assert page(limit="2").envelope([])["has_more"] is True


def test_an_empty_list_is_a_list() -> None:
    assert page().envelope([]) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "next_cursor": None,
        "prev_cursor": None,
    }


@pytest.mark.parametrize("limit", ["0", "-1", "101", "1000000000", "", "１２", "1.0", "abc", " 5"])
def test_a_limit_out_of_bounds_is_refused(limit: str) -> None:
    with pytest.raises(InvalidLimit):
        page(limit=limit)


@pytest.mark.parametrize("sort", ["password", "created_at,__class__", "--created_at", "-", "actor", ""])
def test_a_sort_that_is_not_offered_is_refused(sort: str) -> None:
    with pytest.raises(InvalidSort):
        page(sort=sort)


def test_a_cursor_that_is_not_ours_or_of_another_list_is_refused() -> None:
    make_events(3, ties=True)
    cursor = page(limit="1").next_cursor or ""
    other = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope="orders of somebody else")

    for attempt in ({"cursor": "x"}, {"cursor": ""}, {"cursor": cursor[:-2]}, {"cursor": cursor, "sort": "created_at"}):
        with pytest.raises(InvalidCursor):
            page(**attempt)
    with pytest.raises(InvalidCursor):
        other.page(Event.objects.all(), {"cursor": cursor})


def test_a_page_costs_one_query_whatever_its_size(count_queries: Any) -> None:
    make_events(60, ties=False)

    with count_queries() as queries:
        page(limit="50")

    assert len(queries) == 1


def test_a_late_page_is_found_by_the_index_and_not_by_reading_all_before_it(count_queries: Any) -> None:
    make_events(60, ties=True)
    cursor = page(limit="50").next_cursor or ""
    with count_queries() as queries:
        page(limit="5", cursor=cursor)

    with connection.cursor() as explain:
        explain.execute("SET LOCAL enable_seqscan = off")
        explain.execute(f"EXPLAIN {queries.captured_queries[0]['sql']}")
        plan = "\n".join(line for (line,) in explain.fetchall())

    assert "Index Cond: (created_at <= " in plan


def test_cursor_is_short_and_does_not_reveal_the_filters() -> None:
    make_events(3, ties=True)
    searched = KeysetPagination(sorts={"name": "type"}, default="name", scope="q=" + "asha" * 2500)

    first = searched.page(Event.objects.all(), {"limit": "1"})
    cursor = first.next_cursor or ""

    assert len(cursor) < 300
    assert b"asha" not in base64.urlsafe_b64decode(cursor.partition(":")[0] + "==")
    assert len(searched.page(Event.objects.all(), {"cursor": cursor}).rows) == 2


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (F("version") % 2, BooleanField()),
        (F("version") / Decimal("8.0"), DecimalField(max_digits=20, decimal_places=6)),
        (F("version") / 3.0, FloatField()),
        (F("version") % 3, IntegerField()),
        (F("created_at"), DateField()),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_row_comes_once_whatever_the_key_is(key: Any, kind: Field) -> None:
    make_events(23, ties=False)
    pager = KeysetPagination(sorts={"key": "key"}, default="-key")
    rows = Event.objects.annotate(key=Cast(key, output_field=kind))
    seen: list[int] = []
    params = {"limit": "4"}

    while True:
        got = pager.page(rows, params)
        seen += [row.version for row in got.rows]
        if got.next_cursor is None:
            break
        params["cursor"] = got.next_cursor

    assert sorted(seen) == list(range(1, 24))


def test_keys_that_are_numbers_page_too() -> None:
    for _ in range(3):
        record_event("test.user.made", subject=make_user(), actor=SYSTEM, changes={})
    pager = KeysetPagination(sorts={"created_at": "created_at"}, default="created_at")

    first = pager.page(Outbox.objects.all(), {"limit": "2"})
    second = pager.page(Outbox.objects.all(), {"cursor": first.next_cursor or ""})

    assert [row.pk for row in first.rows + second.rows] == list(
        Outbox.objects.order_by("id").values_list("pk", flat=True)
    )


class TestPaginator:
    """What viewsets use: a cursor belongs to one list, one reader and one set of filters."""

    def page(self, user: Any, path: str = "/api/v1/events", **params: str) -> dict[str, Any]:
        request = Request(APIRequestFactory().get(path, params))
        request.user = user
        paginator = KeysetPagination()
        rows = paginator.paginate_queryset(Event.objects.all(), request, ApiViewSet())
        response = paginator.get_paginated_response([row.version for row in rows])
        return {"ETag": response["ETag"], "Cache-Control": response["Cache-Control"], **response.data}

    def test_a_page_has_rows_cursors_and_an_etag(self) -> None:
        make_events(3, ties=False)
        user = make_user()

        first = self.page(user, limit="2")
        second = self.page(user, limit="2", cursor=first["next_cursor"])

        assert (first["data"], second["data"]) == ([3, 2], [1])
        assert (first["has_more"], second["has_more"]) == (True, False)
        assert first["ETag"] != second["ETag"]
        assert first["Cache-Control"] == "private, no-store"

    def test_a_cursor_is_of_one_reader_one_list_and_its_filters(self) -> None:
        make_events(3, ties=False)
        user = make_user()
        cursor = self.page(user, limit="1", type="a")["next_cursor"]

        assert self.page(user, limit="2", type="a", cursor=cursor)["data"] == [2, 1]
        for attempt in (
            lambda: self.page(make_user(), cursor=cursor, type="a"),
            lambda: self.page(user, path="/api/v1/others", cursor=cursor, type="a"),
            lambda: self.page(user, cursor=cursor, type="b"),
            lambda: self.page(user, cursor=cursor),
        ):
            with pytest.raises(InvalidCursor):
                attempt()

    def test_the_description_names_the_sorts(self) -> None:
        pager = KeysetPagination(sorts={"name": "type", "created_at": "created_at"})

        described = {each["name"]: each["schema"] for each in pager.get_schema_operation_parameters(None)}

        assert list(described) == ["limit", "cursor", "sort"]
        assert described["sort"]["enum"] == ["-created_at", "-name", "created_at", "name"]
