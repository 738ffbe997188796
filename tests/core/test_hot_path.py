"""Which implementation of an operation runs."""

from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from apps.core import hot_path


@pytest.fixture(autouse=True)
def _own_operations() -> Iterator[None]:
    with (
        mock.patch.dict(hot_path._orm, clear=True),
        mock.patch.dict(hot_path._sql, clear=True),
        mock.patch.object(hot_path, "_reads", set()),
    ):
        yield


def by_orm(*, units: int) -> str:
    """Say which one ran."""
    return f"orm {units}"


def by_sql(*, units: int) -> str:
    return f"sql {units}"


class TestHotPath:
    @pytest.mark.parametrize("value", ["orm", "sql"])
    def test_without_another_implementation_both_values_run_the_service(self, settings: Any, value: str) -> None:
        settings.HOT_PATH = value

        assert hot_path.hot_path("x.reserve")(by_orm)(units=2) == "orm 2"

    @pytest.mark.parametrize(("value", "ran"), [("orm", "orm 2"), ("sql", "sql 2")])
    def test_the_setting_chooses(self, settings: Any, value: str, ran: str) -> None:
        reserve = hot_path.hot_path("x.reserve")(by_orm)
        hot_path.register_sql("x.reserve", by_sql)
        settings.HOT_PATH = value

        assert reserve(units=2) == ran

    def test_a_marked_service_keeps_its_name_and_docstring(self) -> None:
        reserve = hot_path.hot_path("x.reserve")(by_orm)

        assert (reserve.__name__, reserve.__doc__) == ("by_orm", "Say which one ran.")
        assert hot_path.list_operations() == {"x.reserve": by_orm}

    def test_what_writes_nothing_is_listed_apart(self) -> None:
        hot_path.hot_path("x.reserve")(by_orm)
        hot_path.hot_path("x.find", is_read=True)(by_orm)

        assert (hot_path.list_reads(), len(hot_path.list_operations())) == ({"x.find"}, 2)

    def test_two_services_of_one_operation_are_refused(self) -> None:
        hot_path.hot_path("x.reserve")(by_orm)

        with pytest.raises(ValueError, match="two services are the operation x.reserve"):
            hot_path.hot_path("x.reserve")(by_orm)


class TestRegisterSql:
    def test_for_an_operation_that_nobody_marked_is_refused(self) -> None:
        with pytest.raises(LookupError, match="no service is the operation x.reserve"):
            hot_path.register_sql("x.reserve", by_sql)

    def test_a_second_one_is_refused(self) -> None:
        hot_path.hot_path("x.reserve")(by_orm)
        hot_path.register_sql("x.reserve", by_sql)

        with pytest.raises(ValueError, match="two implementations of the operation x.reserve"):
            hot_path.register_sql("x.reserve", by_sql)
        assert hot_path.list_sql_implementations() == {"x.reserve": by_sql}
