"""Implementations that differ from the ORM's, each in one thing: every one of them is found, and where it differs."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pgtrigger
import pytest

from apps.catalog import sql as catalog_sql
from apps.catalog.models import Reservation
from apps.core import hot_path
from apps.core.models import Event, Outbox
from apps.payments.models import PaymentAttempt, Webhook
from apps.payments.services.payments import NothingToPay
from tests.twins.journeys import JOURNEYS, differences, require_equal
from tests.twins.rows import tables_of
from tests.twins.shop import Shop, open_shop, planted

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(reference_data: None) -> Shop:
    return open_shop()


def service(operation: str) -> Callable[..., Any]:
    return hot_path.list_operations()[operation]


def post_a_paisa_more(*, entries: dict[str, int], **values: Any) -> Any:
    more = {code: amount + (1 if amount > 0 else -1) for code, amount in entries.items()}
    return service("ledger.post_to_ledger")(entries=more, **values)


def post_to_the_bank(*, entries: dict[str, int], **values: Any) -> Any:
    elsewhere = {"bank" if code.startswith("gateway_receivable") else code: paise for code, paise in entries.items()}
    return service("ledger.post_to_ledger")(entries=elsewhere, **values)


def post_nothing(*, entries: dict[str, int], **values: Any) -> Any:
    return None


def post_in_reverse(*, entries: dict[str, int], **values: Any) -> Any:
    return service("ledger.post_to_ledger")(entries=dict(reversed(entries.items())), **values)


def lose_an_event(*, order: Any, **values: Any) -> Any:
    updated = service("orders.update_payment_totals")(order=order, **values)
    lost = Event.objects.filter(subject_id=order.pk).latest("version")
    with pgtrigger.ignore("core.Event:frozen"):
        Outbox.objects.filter(event=lost).delete()
        lost.delete()
    return updated


def tell_nobody(*, order: Any, **values: Any) -> Any:
    updated = service("orders.update_payment_totals")(order=order, **values)
    Outbox.objects.filter(event__subject_id=order.pk).delete()
    return updated


def place_a_moment_later(*, now: Any, **values: Any) -> Any:
    return service("orders.place_order")(now=now + timedelta(milliseconds=1), **values)


def reserve_a_unit_more(*, inputs: Any, now: Any, **values: Any) -> Any:
    reserved = service("catalog.reserve_stock")(inputs=inputs, now=now, **values)
    catalog_sql.update_stock_counts(reserved={(each.variant_id, each.location_id): 1000 for each in inputs}, now=now)
    return reserved


def commit_nothing(*, references: Any, **_: Any) -> Any:
    return list(Reservation.objects.filter(reference__in=references))


def release_as_cancelled(*, to: Any, **values: Any) -> Any:
    return service("catalog.release_reservations")(to="released", **values)


def apply_as_card(**values: Any) -> Any:
    attempt = service("payments.apply_gateway_payment")(**values)
    PaymentAttempt.objects.filter(pk=attempt.pk).update(method="card")
    return attempt


def start_for_nothing(**values: Any) -> Any:
    raise NothingToPay("ORD-2627-000001")


def receive_without_its_type(**values: Any) -> Any:
    webhook = service("payments.receive_webhook")(**values)
    with pgtrigger.ignore("payments.Webhook:webhook_facts_are_frozen"):
        Webhook.objects.filter(pk=webhook.pk).update(event_type="")
    return webhook


def process_nothing(**_: Any) -> None:
    return None


PAID = "paid by webhook"


@pytest.mark.parametrize(
    ("operation", "implementation", "journey", "table"),
    [
        ("ledger.post_to_ledger", post_a_paisa_more, PAID, "ledger_ledgerentry"),
        ("ledger.post_to_ledger", post_to_the_bank, PAID, "ledger_ledgerentry"),
        ("ledger.post_to_ledger", post_nothing, PAID, "ledger_ledgertransaction"),
        ("orders.update_payment_totals", lose_an_event, PAID, "core_event"),
        ("orders.update_payment_totals", tell_nobody, PAID, "core_outbox"),
        ("orders.place_order", place_a_moment_later, PAID, "orders_order"),
        ("catalog.reserve_stock", reserve_a_unit_more, PAID, "catalog_stocklevel"),
        ("catalog.commit_reservations", commit_nothing, PAID, "catalog_reservation"),
        (
            "catalog.release_reservations",
            release_as_cancelled,
            "expired, sold out, and paid late",
            "catalog_reservation",
        ),
        ("payments.apply_gateway_payment", apply_as_card, PAID, "payments_paymentattempt"),
        ("payments.receive_webhook", receive_without_its_type, PAID, "payments_webhook"),
        ("payments.process_webhook", process_nothing, PAID, "payments_paymentattempt"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_another_result_is_found(shop: Shop, operation: str, implementation: Any, journey: str, table: str) -> None:
    with planted({operation: implementation}):
        found = differences(shop, JOURNEYS[journey])

    assert table in tables_of(found)


def test_another_refusal_is_found(shop: Shop) -> None:
    with planted({"payments.start_payment": start_for_nothing}):
        found = differences(shop, JOURNEYS["started twice"])

    assert [line for line in found if line.startswith("! Payment | nothing_to_pay")] != []


def test_another_order_of_writing_is_no_difference(shop: Shop) -> None:
    with planted({"ledger.post_to_ledger": post_in_reverse}):
        require_equal(differences(shop, JOURNEYS[PAID]))


def test_a_service_of_the_orm_is_no_difference(shop: Shop) -> None:
    with planted({name: service(name) for name in hot_path.list_operations()}):
        require_equal(differences(shop, JOURNEYS["paid twice"]))
