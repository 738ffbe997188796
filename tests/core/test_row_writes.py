"""Writes of rows without an event: what is stored is what the ORM would store, and no other column."""

from typing import Any

import pytest
from django.db import IntegrityError, transaction

from apps.core.models import Event
from apps.core.row_writes import insert_rows, update_row
from apps.invoicing.models import InvoiceFile
from apps.notifications.models import Notification
from tests.factories.invoicing import make_invoice
from tests.factories.notifications import NOON, make_notification

pytestmark = pytest.mark.django_db


def test_only_the_columns_that_are_named_are_stored_and_when(owner: Any) -> None:
    message = make_notification(owner)
    before = Notification.objects.values().get()
    events = Event.objects.count()
    message.context, message.attempts, message.title = {"name": "Asha \u20b9 'x'"}, 3, "not stored"
    message.next_attempt_at = None

    update_row(message, "context", "attempts", "next_attempt_at")

    stored = Notification.objects.values().get()
    changed = {"context": {"name": "Asha \u20b9 'x'"}, "attempts": 3, "next_attempt_at": None}
    assert stored == {**before, **changed, "updated_at": message.updated_at}
    assert stored["updated_at"] > before["updated_at"]
    assert Event.objects.count() == events


def test_a_row_that_is_not_there_is_an_error(owner: Any) -> None:
    with pytest.raises(Notification.DoesNotExist):
        update_row(Notification(), "attempts")


def test_rows_are_inserted_with_all_their_values(owner: Any) -> None:
    file = InvoiceFile(
        invoice=make_invoice(owner), path="a/b.pdf", sha256="f" * 64, size=7, rendered_at=NOON, created_at=NOON
    )

    insert_rows([file])

    stored = InvoiceFile.objects.get()
    assert (stored.pk, stored.path, stored.size, stored.rendered_at, stored.created_at) == (
        file.pk, "a/b.pdf", 7, NOON, NOON
    )  # fmt: skip
    assert not file._state.adding
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_rows([InvoiceFile(invoice=stored.invoice, path="c", sha256="f" * 64, size=7, rendered_at=NOON)])


def test_no_rows_are_no_statement(count_queries: Any) -> None:
    with count_queries() as queries:
        insert_rows([])

    assert len(queries) == 0
