"""My in-app messages over HTTP: mine alone, in pages, with read marks."""

from datetime import timedelta
from typing import Any

import pytest

from apps.core import clock, ids
from apps.core.events import SYSTEM, list_events_of_root
from apps.notifications.models import Notification
from apps.notifications.services import create_notifications
from apps.notifications.states import Channel
from tests.factories.invoicing import issue_invoice
from tests.factories.notifications import NOON, make_event, make_notification, make_order_of, make_queued_sms
from tests.factories.orders import make_order
from tests.factories.payments import pay

pytestmark = pytest.mark.django_db
URL = "/api/v1/me/notifications"


def make_many(user: Any, count: int) -> list[Notification]:
    order = make_order_of(user)
    return [
        make_notification(
            user, event=make_event("orders.order.placed", order, root_id=order.pk), title=f"Message {number}"
        )
        for number in range(count)
    ]


def test_a_message_has_this_shape(owner: Any, client_of: Any) -> None:
    (message,) = make_many(owner, 1)

    body = client_of(owner).get(URL).json()

    assert body["unread_count"] == 1
    assert body["has_more"] is False
    (item,) = body["data"]
    created = clock.rfc3339(message.created_at)
    assert item == {
        "id": message.public_id, "object": "notification", "type": "order_placed", "title": "Message 0",
        "body": "Pay soon.", "order": ids.encode("ord", message.root_id), "read_at": None, "created_at": created,
        "updated_at": clock.rfc3339(message.updated_at), "version": 0, "metadata": {},
    }  # fmt: skip


def test_the_newest_comes_first_and_pages_go_both_ways(owner: Any, client_of: Any) -> None:
    make_many(owner, 5)
    client = client_of(owner)

    first = client.get(URL, {"limit": "2"}).json()
    second = client.get(URL, {"limit": "2", "cursor": first["next_cursor"]}).json()
    back = client.get(URL, {"limit": "2", "cursor": second["prev_cursor"]}).json()

    assert [item["title"] for item in first["data"]] == ["Message 4", "Message 3"]
    assert [item["title"] for item in second["data"]] == ["Message 2", "Message 1"]
    assert back["data"] == first["data"]
    assert first["unread_count"] == 5


def test_the_unread_filter(owner: Any, client_of: Any) -> None:
    read, unread = make_many(owner, 2)
    Notification.objects.filter(pk=read.pk).update(read_at=NOON)
    client = client_of(owner)

    assert [item["id"] for item in client.get(URL, {"unread": "true"}).json()["data"]] == [unread.public_id]
    assert [item["id"] for item in client.get(URL, {"unread": "false"}).json()["data"]] == [read.public_id]
    assert client.get(URL, {"unread": "true"}).json()["unread_count"] == 1


@pytest.mark.parametrize(("name", "value"), [("unread", "yes"), ("limit", "0"), ("unknown", "1"), ("cursor", "x")])
def test_a_wrong_parameter_is_refused(owner: Any, client_of: Any, name: str, value: str) -> None:
    answer = client_of(owner).get(URL, {name: value})

    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == name


def test_a_cursor_of_one_filter_is_refused_by_another(owner: Any, client_of: Any) -> None:
    make_many(owner, 3)
    client = client_of(owner)
    cursor = client.get(URL, {"limit": "1"}).json()["next_cursor"]

    assert client.get(URL, {"limit": "1", "unread": "true", "cursor": cursor}).status_code == 400


def test_sms_and_email_are_not_in_the_list(owner: Any, client_of: Any) -> None:
    make_queued_sms(owner)

    body = client_of(owner).get(URL).json()

    assert (body["data"], body["unread_count"]) == ([], 0)


def test_a_stranger_sees_nothing_of_mine(owner: Any, stranger: Any, client_of: Any) -> None:
    make_many(owner, 2)

    body = client_of(stranger).get(URL).json()

    assert (body["data"], body["unread_count"]) == ([], 0)


def test_the_list_needs_a_log_in(anonymous: Any) -> None:
    assert anonymous.get(URL).status_code == 401


def test_marking_one_as_read_counts_the_first_time(owner: Any, client_of: Any) -> None:
    (message,) = make_many(owner, 1)
    client = client_of(owner)

    first = client.post(f"{URL}/{message.public_id}/read")
    again = client.post(f"{URL}/{message.public_id}/read")

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["read_at"] is not None
    assert again.json()["read_at"] == first.json()["read_at"]
    assert client.get(URL).json()["unread_count"] == 0


def test_a_stranger_cannot_mark_mine(owner: Any, stranger: Any, anonymous: Any, client_of: Any) -> None:
    (message,) = make_many(owner, 1)

    theirs = client_of(stranger).post(f"{URL}/{message.public_id}/read")
    absent = client_of(stranger).post(f"{URL}/{ids.encode('ntf', ids.new())}/read")

    assert (theirs.status_code, absent.status_code) == (404, 404)
    assert theirs.json()["error"]["code"] == absent.json()["error"]["code"]
    assert anonymous.post(f"{URL}/{message.public_id}/read").status_code == 401
    assert not Notification.objects.filter(read_at__isnull=False).exists()


def test_an_sms_has_no_read_mark(owner: Any, client_of: Any) -> None:
    sms = make_queued_sms(owner)

    assert client_of(owner).post(f"{URL}/{sms.public_id}/read").status_code == 404


def test_marking_all_as_read_marks_mine_alone(owner: Any, stranger: Any, anonymous: Any, client_of: Any) -> None:
    make_many(owner, 3)
    make_many(stranger, 2)
    sms = make_queued_sms(owner)

    answer = client_of(owner).post(f"{URL}/read")

    assert answer.json() == {"object": "notification_marks", "marked": 3, "unread_count": 0}
    assert client_of(stranger).get(URL).json()["unread_count"] == 2
    assert anonymous.post(f"{URL}/read").status_code == 401
    sms.refresh_from_db()
    assert sms.read_at is None


def test_marking_with_an_idempotency_key_replays_the_answer(owner: Any, client_of: Any) -> None:
    make_many(owner, 2)
    client = client_of(owner)

    first = client.post(f"{URL}/read", headers={"Idempotency-Key": "read-them-all"})
    make_many(owner, 1)
    again = client.post(f"{URL}/read", headers={"Idempotency-Key": "read-them-all"})

    assert again.json() == first.json()
    assert client.get(URL).json()["unread_count"] == 1


def test_an_unchanged_list_is_not_sent_again(owner: Any, client_of: Any) -> None:
    make_many(owner, 1)
    client = client_of(owner)
    etag = client.get(URL)["ETag"]

    assert client.get(URL, headers={"If-None-Match": etag}).status_code == 304


def test_query_count_is_constant(owner: Any, stranger: Any, client_of: Any, count_queries: Any) -> None:
    make_many(owner, 1)
    make_many(stranger, 50)
    one, fifty = client_of(owner), client_of(stranger)

    with count_queries() as few:
        one.get(URL, {"limit": "100"})
    with count_queries() as many:
        assert len(fifty.get(URL, {"limit": "100"}).json()["data"]) == 50

    assert len(few) == len(many)
    assert len(many) <= 4


def test_messages_of_one_instant_are_neither_skipped_nor_doubled(owner: Any, client_of: Any) -> None:
    made = make_many(owner, 7)
    Notification.objects.filter(channel=Channel.IN_APP).update(created_at=NOON + timedelta(hours=1))
    client = client_of(owner)

    seen: list[str] = []
    cursor = None
    while True:
        body = client.get(URL, {"limit": "3", **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in body["data"]]
        cursor = body["next_cursor"]
        if not cursor:
            break

    assert sorted(seen) == sorted(one.public_id for one in made)


def test_the_timeline_has_money_documents_and_messages(owner: Any, support: Any, client_of: Any) -> None:
    order = make_order(owner)
    attempt = pay(order)
    invoice = issue_invoice(order_id=order.pk, actor=SYSTEM, now=NOON)
    (placed, *_) = list_events_of_root(order.pk)
    *_, message = create_notifications(template="order_confirmed", event=placed, now=NOON)

    def entries(user: Any) -> dict[str, Any]:
        data = client_of(user).get(f"/api/v1/orders/{order.public_id}/timeline", {"limit": 100}).json()["data"]
        return {entry["type"]: entry for entry in data}

    seen = entries(owner)
    assert seen["order.placed"]["money"] is None
    assert seen["payment.succeeded"]["money"] == {
        "id": attempt.payment.public_id, "object": "payment", "amount": order.total_amount, "currency": "INR",
    }  # fmt: skip
    assert seen["invoice.issued"]["document"] == {
        "id": invoice.public_id, "type": "tax_invoice", "number": invoice.number, "total_amount": invoice.total_amount,
        "currency": "INR",
    }  # fmt: skip
    assert seen["notification.sent"]["message"] == {
        "id": message.public_id, "channel": "in_app", "type": "order_confirmed", "title": message.title,
    }  # fmt: skip
    assert "attempt.captured" not in seen
    assert entries(support)["attempt.captured"]["money"]["object"] == "payment_attempt"
