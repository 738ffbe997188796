import pytest
from django.db import connection, transaction
from django.db.utils import DatabaseError

from apps.core import clock
from apps.core.events import (
    SYSTEM,
    Actor,
    RecordedOutsideTransaction,
    SubjectNotLocked,
    current_request_id,
    record,
    stored_fields,
)
from apps.core.models import Event, Outbox
from tests.factories.accounts import make_user

pytestmark = pytest.mark.django_db


def test_news_is_numbered_from_one_and_waits_in_the_outbox() -> None:
    user = make_user(name="Asha")
    token = current_request_id.set("req_test")

    told = stored_fields(user, "is_active")
    first = record("test.user.made", subject=user, actor=SYSTEM, changed=told, now=clock.now())
    second = record(
        "test.user.named", subject=user, actor=Actor("user", "cus_1", "Asha"), changed={"name": "B"}, reason="asked"
    )
    current_request_id.reset(token)

    user.refresh_from_db()
    assert (first.version, second.version, user.version) == (1, 2, 2)
    assert first.changed == {"is_active": True}
    assert second.changed == {"personal_fields": ["name"]}
    assert (second.actor, second.reason, second.request_id) == ("user:cus_1", "asked", "req_test")
    assert (second.subject_type, second.subject_id) == ("accounts.user", user.pk)
    assert list(Outbox.objects.order_by("id").values_list("event_id", flat=True)) == [first.pk, second.pk]


def test_news_of_a_row_that_somebody_else_has_changed_is_refused() -> None:
    user = make_user()
    stale = type(user).objects.get(pk=user.pk)
    record("test.user.made", subject=user, actor=SYSTEM, changed={})

    with pytest.raises(SubjectNotLocked), transaction.atomic():
        record("test.user.made", subject=stale, actor=SYSTEM, changed={})

    assert Event.objects.filter(subject_id=user.pk).count() == 1


@pytest.mark.django_db(transaction=True)
def test_news_outside_a_transaction_is_refused() -> None:
    user = make_user()

    with pytest.raises(RecordedOutsideTransaction):
        record("test.user.made", subject=user, actor=SYSTEM, changed={})

    assert Event.objects.count() == 0


@pytest.mark.parametrize("statement", ["UPDATE core_event SET reason = 'x'", "DELETE FROM core_event"])
def test_the_database_refuses_to_change_an_event(statement: str) -> None:
    user = make_user()
    event = record("test.user.made", subject=user, actor=SYSTEM, changed={})

    with (
        pytest.raises(DatabaseError, match="(?i)cannot (update|delete)"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        if statement.startswith("DELETE"):
            Outbox.objects.all().delete()
        cursor.execute(statement)

    assert Event.objects.get(pk=event.pk).reason == ""
