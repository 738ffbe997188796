from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock
from apps.core.api.pagination import BadCursor, BadLimit, BadSort, KeysetPagination, Page
from apps.core.models import Event
from tests.factories.accounts import make_user

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


def test_rows_that_come_and_go_meanwhile_skip_and_double_nothing() -> None:
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
    with pytest.raises(BadLimit):
        page(limit=limit)


@pytest.mark.parametrize("sort", ["password", "created_at,__class__", "--created_at", "-", "actor"])
def test_a_sort_that_is_not_offered_is_refused(sort: str) -> None:
    with pytest.raises(BadSort):
        page(sort=sort)


def test_a_cursor_that_is_not_ours_or_of_another_list_is_refused() -> None:
    make_events(3, ties=True)
    cursor = page(limit="1").next_cursor or ""
    other = KeysetPagination(sorts={"created_at": "created_at"}, default="-created_at", scope="orders of somebody else")

    for attempt in ({"cursor": "x"}, {"cursor": cursor[:-2]}, {"cursor": cursor, "sort": "created_at"}):
        with pytest.raises(BadCursor):
            page(**attempt)
    with pytest.raises(BadCursor):
        other.page(Event.objects.all(), {"cursor": cursor})


def test_a_page_costs_one_query_whatever_its_size(count_queries: Any) -> None:
    make_events(60, ties=False)

    with count_queries() as queries:
        page(limit="50")

    assert len(queries) == 1
