from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import ids
from apps.core.errors import NotFound


@given(st.uuids())
def test_what_is_encoded_is_decoded(value: UUID) -> None:
    assert ids.decode("ord", ids.encode("ord", value)) == value


@given(st.integers(0, 2**128 - 1))
def test_the_body_of_a_number_is_that_of_the_id_with_its_bits(number: int) -> None:
    assert ids.decode("ord", f"ord_{ids.encode_body(number)}").int == number


@given(st.uuids(), st.uuids())
def test_the_text_sorts_as_the_number_does(one: UUID, other: UUID) -> None:
    assert (ids.encode("x", one) < ids.encode("x", other)) == (one.int < other.int)


def test_new_ids_sort_by_the_time_they_were_made() -> None:
    made = [ids.encode("ord", ids.new()) for _ in range(500)]

    assert made == sorted(made)
    assert len(set(made)) == 500


@pytest.mark.parametrize(
    "text",
    [
        "", "ord", "ord_", "pay_" + "0" * 26, "ord_" + "0" * 25, "ord_" + "0" * 27, "ord_" + "u" * 26, "ord_" + "z" * 26,
        "ORD_" + "0" * 26, "00000000-0000-0000-0000-000000000000", "ord_" + "0" * 25 + "\x00", "ord_" + "०" * 26, "../../etc/passwd",
    ],
)  # fmt: skip
def test_anything_else_is_not_found(text: str) -> None:
    with pytest.raises(NotFound):
        ids.decode("ord", text)


@pytest.mark.parametrize("milliseconds", [0, 1, 29, 57, 123, 249, 500, 999])
def test_the_floor_of_an_instant_is_of_that_very_millisecond(milliseconds: int) -> None:
    second = datetime(2026, 11, 21, 5, 30, tzinfo=UTC)

    floor = ids.floor(second + timedelta(milliseconds=milliseconds))

    assert floor.int >> 80 == int(second.timestamp()) * 1000 + milliseconds
