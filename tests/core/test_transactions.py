"""The transaction of a service: its own, or the one that is open."""

import contextlib

import pytest
from django.db import connection
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import Category
from apps.core.transactions import TransactionEnded, atomic, transactional


class Refused(Exception):
    pass


@transactional
def make(slug: str, *, refuses: bool = False) -> Category:
    category = Category.objects.create(name=slug, slug=slug)
    if refuses:
        raise Refused
    return category


@transactional
def make_two(*, refuses: bool = False) -> None:
    make("first")
    make("second", refuses=refuses)


@transactional
def make_despite(*, savepoint: bool, goes_on: bool = True) -> None:
    make("first")
    try:
        if savepoint:
            with atomic():
                make("second", refuses=True)
        else:
            make("second", refuses=True)
    except Refused:
        if goes_on:
            make("third")


def slugs() -> list[str]:
    return sorted(Category.objects.values_list("slug", flat=True))


@pytest.mark.django_db
class TestTransactional:
    def test_service_that_calls_services_has_one_transaction(self) -> None:
        with CaptureQueriesContext(connection) as queries:
            make_two()

        # The savepoint stands for the transaction: the test runs in one of its own.
        assert [query["sql"].split()[0] for query in queries] == ["SAVEPOINT", "INSERT", "INSERT", "RELEASE"]
        assert slugs() == ["first", "second"]

    def test_error_rolls_back_all_of_it(self) -> None:
        with pytest.raises(Refused):
            make_two(refuses=True)

        assert slugs() == []

    def test_who_goes_on_after_an_error_sets_a_savepoint(self) -> None:
        make_despite(savepoint=True)

        assert slugs() == ["first", "third"]

    def test_control_without_a_savepoint_the_next_statement_fails(self) -> None:
        with pytest.raises(TransactionManagementError):
            make_despite(savepoint=False)

        assert slugs() == []

    def test_control_without_a_savepoint_what_was_done_before_is_not_lost_silently(self) -> None:
        with pytest.raises(TransactionEnded):
            make_despite(savepoint=False, goes_on=False)

        assert slugs() == []

    def test_block_that_joins_ends_the_transaction_as_well(self) -> None:
        with pytest.raises(TransactionEnded), atomic():
            make("first")
            with contextlib.suppress(Refused), atomic(savepoint=False):
                make("second", refuses=True)

        assert slugs() == []

    def test_keeps_the_name_and_the_words_of_the_service(self) -> None:
        assert (make.__name__, make.__module__) == ("make", __name__)


@pytest.mark.django_db(transaction=True)
class TestOutsideOfTransactions:
    def test_service_commits(self) -> None:
        make_two()

        assert not connection.in_atomic_block
        assert slugs() == ["first", "second"]

    def test_error_commits_nothing(self) -> None:
        with pytest.raises(Refused):
            make_two(refuses=True)

        assert slugs() == []
