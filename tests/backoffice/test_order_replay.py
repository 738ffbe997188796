"""Folding events gives the rows; `manage.py order replay` says so, or where not."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.backoffice.services import event_replay
from apps.core.event_replay import fold, list_events_of_subjects
from apps.fulfilment.models import Shipment
from apps.orders.models import Order
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.states import AttemptStatus
from tests.factories.fulfilment import make_dispatched_shipment, make_invoiced_order
from tests.factories.orders import make_order
from tests.factories.payments import apply_payment, make_gateway_payment, make_payment, make_refund, pay

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> tuple[int, str]:
    out, code = StringIO(), 0
    try:
        call_command("order", *arguments, stdout=out, stderr=StringIO(), no_color=True)
    except SystemExit as end:
        code = int(str(end.code))
    return code, out.getvalue()


def test_a_paid_order_and_its_money_are_what_their_events_say(order: Any) -> None:
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, status=AttemptStatus.FAILED))
    apply_payment(make_gateway_payment(payment))
    # The factory writes it past the service.
    told = list(list_events_of_subjects(Payment, [payment.pk]))

    replay = event_replay.replay_order(order_id=order.pk)

    assert replay.rows == {"orders": 1, "payments": 1, "attempts": 2, "refunds": 0} | replay.rows
    assert [(one.field, one.replayed) for one in replay.differences] == [("gateway_order_id", None)]
    assert fold(told)["status"] == "succeeded"


def test_a_refund_is_what_its_events_say(order: Any) -> None:
    pay(order)
    make_refund(order, amount=10_000)
    make_refund(order, is_approved=True, amount=10_000)

    replay = event_replay.replay_order(order_id=order.pk)

    assert replay.rows["refunds"] == 2
    assert [one for one in replay.differences if one.subject == "payments.refund"] == []


def test_a_parcel_that_was_changed_without_an_event_is_found(owner: Any) -> None:
    sent = make_invoiced_order(owner)
    shipment = make_dispatched_shipment(sent)
    assert event_replay.replay_order(order_id=sent.pk).rows["shipments"] == 1
    clean = event_replay.replay_order(order_id=sent.pk).differences

    Shipment.objects.filter(pk=shipment.pk).update(carrier_name="Nobody")

    found = [one for one in event_replay.replay_order(order_id=sent.pk).differences if one not in clean]
    assert [(one.subject, one.field, one.stored) for one in found] == [
        ("fulfilment.shipment", "carrier_name", "Nobody")
    ]


@pytest.mark.parametrize(
    ("model", "field", "value", "subject"),
    [
        (Order, "place_of_supply_reason", "written behind the back", "orders.order"),
        (Order, "version", 77, "orders.order"),
        (PaymentAttempt, "rrn", "000000000000", "payments.paymentattempt"),
    ],
)
def test_row_changed_without_an_event_is_found(order: Any, model: Any, field: str, value: Any, subject: str) -> None:
    pay(order)
    clean = event_replay.replay_order(order_id=order.pk).differences
    model.objects.update(**{field: value})

    found = [one for one in event_replay.replay_order(order_id=order.pk).differences if one not in clean]

    assert [(one.subject, one.field, one.stored) for one in found] == [(subject, field, value)]


def test_the_command_replays_one_or_all_and_fails_where_they_differ(owner: Any, order: Any) -> None:
    make_order(owner)

    code, text = run("replay", order.number)
    assert code == 0
    assert text.startswith("1 event gives exactly what is stored: 1 order, 0 payments, 0 attempts,")
    code, text = run("replay", "--all")
    assert code == 0
    assert text.startswith(
        "2 events give exactly what is stored: 2 orders, 0 payments, 0 attempts, 0 refunds, 0 disputes,"
    )
    assert text.endswith(
        " 0 documents, 0 shipments, 0 settlements, 0 imports, 0 fee rates, 0 bank statements, 0 bank lines, 0 exceptions.\n"
    )

    Order.objects.filter(pk=order.pk).update(place_of_supply_reason="changed")
    code, text = run("replay", "--all")
    assert code == 1
    assert f"{order.number}  orders.order {order.public_id}  place_of_supply_reason" in text
    assert "    the events say 'consumer_delivery_address'\n    stored is      'changed'" in text
    code, text = run("replay", "--all", "--json")
    assert (code, json.loads(text)["differences"][0]["stored"]) == (1, "changed")


def test_the_command_says_what_it_needs(order: Any) -> None:
    with pytest.raises(CommandError, match="Give the number of one order, or --all"):
        run("replay")
    with pytest.raises(CommandError, match="no such order"):
        run("replay", "ORD-0000-000000")


def test_many_orders_are_replayed_in_batches(owner: Any, monkeypatch: pytest.MonkeyPatch, count_queries: Any) -> None:
    for _ in range(3):
        make_order(owner)
    monkeypatch.setattr("apps.backoffice.services.event_replay.BATCH", 2)
    heard: list[int] = []

    replay = event_replay.replay_everything(on_batch=lambda so_far: heard.append(so_far.rows["orders"]))

    assert (replay.is_consistent, replay.rows["orders"], heard) == (True, 3, [2, 3])
