"""What the hot path reads, by the ORM and by SQL: the same objects, and the same nothing."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import models

from apps.accounts.models import Session, User
from apps.core import clock, hot_path
from tests.factories.accounts import make_session, make_user

pytestmark = pytest.mark.django_db


def values_of(row: models.Model) -> dict[str, Any]:
    """Return all that an object holds, with the objects that were read with it."""
    kept = {name: value for name, value in vars(row).items() if not name.startswith("_")}
    related = {name: values_of(value) for name, value in row._state.fields_cache.items() if name != "order"}
    fetched = getattr(row, "_prefetched_objects_cache", {})
    return {**kept, **related, **{name: [values_of(each) for each in rows] for name, rows in fetched.items()}}


def both(operation: str, **arguments: Any) -> list[Any]:
    """Return what an operation reads by the ORM and by SQL."""
    service, found = hot_path.list_operations()[operation], []
    for implementation in (service, hot_path.list_sql_implementations()[operation]):
        read = implementation(**arguments)
        found.append(None if read is None else values_of(read))
    return found


class TestAuthenticatedUser:
    @pytest.fixture
    def session(self) -> Session:
        return make_session(make_user(name="Asha"))

    def find(self, user_id: Any, session_id: Any) -> Any:
        by_orm, by_sql = both("accounts.find_authenticated_user", user_id=user_id, session_id=session_id)
        assert by_orm == by_sql
        return by_sql

    def test_is_the_user_of_the_session(self, session: Session) -> None:
        found = self.find(session.user_id, session.pk)

        assert (found["id"], found["name"]) == (session.user_id, "Asha")

    @pytest.mark.parametrize(
        "change",
        [
            lambda session: Session.objects.filter(pk=session.pk).update(ended_at=clock.now(), end_reason="log_out"),
            lambda session: User.objects.filter(pk=session.user_id).update(is_active=False),
        ],
        ids=["ended session", "inactive user"],
    )
    def test_is_nobody_once_access_has_ended(self, session: Session, change: Callable[[Session], None]) -> None:
        change(session)

        assert self.find(session.user_id, session.pk) is None

    def test_is_nobody_by_the_session_of_another(self, session: Session) -> None:
        assert self.find(make_user().pk, session.pk) is None
        assert self.find(session.user_id, uuid4()) is None


def test_every_read_is_compared() -> None:
    assert hot_path.list_reads() == {
        "accounts.find_authenticated_user",
        "payments.get_order_totals",  # in tests/payments, after each step that changes them
        # In test_shown_reads.py:
        "catalog.find_shown_product",
        "catalog.list_shown_products",
        "orders.find_shown_order",
        "payments.find_shown_payment",
        "payments.list_current_downtimes",
    }
    assert hot_path.list_reads() <= hot_path.list_sql_implementations().keys()
