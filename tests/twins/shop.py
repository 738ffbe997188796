"""A small shop in which the same things happen twice: once by the ORM, once by what is registered in its place."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import connection, transaction
from django.test import override_settings

from apps.accounts.models import User
from apps.core import hot_path
from apps.core.errors import BahiError
from apps.core.events import SYSTEM
from apps.core.external_calls import GatewayCall
from apps.orders import services as orders
from apps.orders.models import Order
from apps.payments.models import Payment
from apps.payments.services import attempts, order_cancellation, payments, webhooks
from apps.payments.services.ledger_accounts import set_up_reference_data
from apps.payments.states import AttemptStatus, Source
from tests.factories import catalog as catalog_factory
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import actor_for
from tests.factories.payments import make_gateway_payment
from tests.support.refunds import request_refunds
from tests.support.webhooks import body_of, sign
from tests.twins.rows import read_rows

#: Far from the present day: what the clock says is recognised by it.
OPENING = datetime(2026, 6, 1, 5, 30, tzinfo=UTC)

#: Orders that are placed twice have two numbers.
_NUMBER = re.compile(r"ORD-\d{4}-\d{6}")


@dataclass
class Shop:
    """What is there from the start, the instant, and the orders that were placed."""

    customers: list[Any]
    addresses: list[Any]
    variants: list[Any]
    now: datetime = OPENING
    orders: list[Order] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def place(self, customer: int = 0, variant: int = 0, quantity: int = 1) -> Any:
        """Place an order of a variant."""
        order = orders.place_order(
            customer_id=self.customers[customer].pk,
            lines=[orders.OrderLineInput(variant_id=self.variants[variant].pk, quantity=quantity)],
            shipping_address_id=self.addresses[customer].pk,
            actor=actor_for(self.customers[customer]),
            now=self.now,
        )
        self.orders.append(order)
        return order

    def start(self, order: int = 0) -> Payment:
        """Start the payment of an order, which the gateway knows at once."""
        placed = self.orders[order]
        payment = payments.start_payment(order_id=placed.pk, customer_id=placed.customer_id, actor=SYSTEM, now=self.now)
        if payment.gateway_order_id is None:
            Payment.objects.filter(pk=payment.pk).update(
                gateway_order_id=self.new_id("order"), gateway_call=GatewayCall.SUCCEEDED
            )
            payment.refresh_from_db()
        return payment

    def pay(self, order: int = 0, *, status: str = AttemptStatus.CAPTURED, less: int = 0, copies: int = 1) -> Any:
        """Have the gateway report a payment of an order, or the same one several times."""
        payment = Payment.objects.filter(order=self.orders[order]).latest("pk")
        facts = make_gateway_payment(payment, id=self.new_id("pay"), status=status, amount=payment.amount - less)
        results = [
            attempts.apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=self.now)
            for _ in range(copies)
        ]
        return results[-1]

    def webhook(self, order: int = 0, event: str = "payment.captured") -> Any:
        """Have the gateway report a payment by a webhook, which comes twice."""
        payment = Payment.objects.filter(order=self.orders[order]).latest("pk")
        raw = body_of(payment, event, id=self.new_id("pay"), created_at=int(self.now.timestamp()))
        event_id = self.new_id("evt")
        for _ in range(2):
            kept = webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id=event_id, now=self.now)
            webhooks.process_webhook(webhook_id=kept.pk, now=self.now)
        return kept

    def cancel(self, order: int = 0) -> Any:
        """Cancel an order as its customer."""
        placed = self.orders[order]
        return order_cancellation.cancel_order(
            order_id=placed.pk, actor=actor_for(placed.customer), reason="By mistake", now=self.now
        )

    def refund(self, order: int = 0, amount: int = 10_000) -> Any:
        """Refund a part of an order."""
        return request_refunds(
            order_id=self.orders[order].pk, amount=amount, reason="other", actor=SYSTEM, now=self.now
        )

    def wait(self, hours: int = 2) -> None:
        """Let time pass, and let the orders expire that were not paid in it."""
        self.now += timedelta(hours=hours)
        Payment.objects.filter(live_until__lt=self.now, status="requires_payment").update(status="expired")
        Order.objects.filter(payment_live_until__lt=self.now).update(payment_live_until=None)
        orders.expire_orders(now=self.now)

    def new_id(self, prefix: str) -> str:
        """Return an id of the gateway's form that is the same in every run."""
        return f"{prefix}_{next(self.numbers):014d}"


Step = Callable[[Shop], Any]
#: What came of each step, and the rows at the end.
Run = tuple[list[str], Counter[str]]


def open_shop() -> Shop:
    """Make two customers and two variants, of which one is scarce."""
    make_registration()
    set_up_reference_data(now=OPENING)
    customers = [make_user(phone=f"+9198765000{number:02d}", name=f"Customer {number}") for number in range(2)]
    # What is random or counted of them is the same in every shop.
    User.objects.filter(pk__in=[each.pk for each in customers]).update(password="!")
    with mock.patch.object(catalog_factory, "_numbers", itertools.count(90_001)):
        variants = [make_variant(stock=3, price=49_900), make_variant(stock=50, price=12_050)]
    return Shop(customers=customers, addresses=[make_address(each) for each in customers], variants=variants)


def run_under(hot_path_setting: str, shop: Shop, steps: list[Step]) -> Run:
    """Take the steps with a value of `HOT_PATH`, return what came of them, and undo them."""
    fresh = Shop(customers=shop.customers, addresses=shop.addresses, variants=shop.variants)
    with override_settings(HOT_PATH=hot_path_setting), transaction.atomic():
        outcomes = [_take(step, fresh) for step in steps]
        connection.check_constraints()
        rows = read_rows()
        transaction.set_rollback(True)
    return outcomes, rows


def _take(step: Step, shop: Shop) -> str:
    shop.now += timedelta(minutes=1)
    try:
        with transaction.atomic():
            return type(step(shop)).__name__
    except BahiError as refusal:
        return _NUMBER.sub("ORD-#", f"{refusal.code}: {refusal}")
    except (IndexError, Payment.DoesNotExist):
        return "there is none yet"


@contextmanager
def planted(implementations: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Have these implementations, and no others, registered for `HOT_PATH=sql`."""
    with mock.patch.dict(hot_path._sql, clear=True):
        for operation, implementation in implementations.items():
            hot_path.register_sql(operation, implementation)
        yield
