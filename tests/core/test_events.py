from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.contrib.auth.models import update_last_login
from django.db import connection, transaction
from django.db.utils import DatabaseError

from apps.accounts.models import User
from apps.core.events import SYSTEM, change
from apps.core.models import Event, Outbox
from tests.factories.accounts import make_user
from tests.support.events import record_event

pytestmark = pytest.mark.django_db


def test_a_row_and_its_events_are_of_one_instant() -> None:
    made_at = datetime(2026, 11, 21, 5, 30, 0, 123_000, tzinfo=UTC)
    user = User.objects.create(phone="+919876500001", created_at=made_at)
    assert (user.created_at, user.updated_at) == (made_at, made_at)

    change(user, "test.user.named", {}, actor=SYSTEM, now=made_at + timedelta(milliseconds=1))

    assert (user.created_at, user.updated_at) == (made_at, made_at + timedelta(milliseconds=1))
    stored = User.objects.get(pk=user.pk)
    assert (stored.created_at, stored.updated_at) == (user.created_at, user.updated_at)


def test_without_an_instant_of_its_service_a_row_has_that_of_the_clock() -> None:
    with time_machine.travel(datetime(2026, 11, 21, 5, 30, 0, 123_987, tzinfo=UTC), tick=False) as traveller:
        user = User.objects.create(phone="+919876500001")
        traveller.shift(timedelta(seconds=1))
        user.save(update_fields=["name", "updated_at"])

    stored = User.objects.get(pk=user.pk)
    assert stored.created_at == datetime(2026, 11, 21, 5, 30, 0, 123_000, tzinfo=UTC)
    assert stored.updated_at == datetime(2026, 11, 21, 5, 30, 1, 123_000, tzinfo=UTC)


def test_the_last_log_in_that_django_writes_is_kept_in_milliseconds() -> None:
    user = make_user()

    with time_machine.travel(datetime(2026, 11, 21, 5, 30, 0, 123_987, tzinfo=UTC), tick=False):
        update_last_login(None, user)

    kept = datetime(2026, 11, 21, 5, 30, 0, 123_000, tzinfo=UTC)
    assert (user.last_login, User.objects.get(pk=user.pk).last_login) == (kept, kept)


@pytest.mark.parametrize("statement", ["UPDATE core_event SET reason = 'x'", "DELETE FROM core_event"])
def test_the_database_refuses_to_change_an_event(statement: str) -> None:
    user = make_user()
    event = record_event("test.user.made", subject=user)

    with (
        pytest.raises(DatabaseError, match="(?i)cannot (update|delete)"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        if statement.startswith("DELETE"):
            Outbox.objects.all().delete()
        cursor.execute(statement)

    assert Event.objects.get(pk=event.pk).reason == ""
