"""The orders that are played: what can happen to an order, from its place to its end, through the services."""

from __future__ import annotations

import hashlib
import hmac
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from django.conf import settings

from apps.core import clock, handler_runs, relay
from apps.core.events import SYSTEM, user_actor
from apps.core.models import PendingProjection
from apps.fulfilment import services as fulfilment
from apps.orders import services as orders
from apps.orders.models import Order, OrderLine
from apps.orders.services.closure import close_orders
from apps.payments.facts import SettlementRow
from apps.payments.models import Payment, PaymentAttempt, Refund
from apps.payments.services import order_cancellation, payments, polling, webhooks
from apps.payments.services.refunds import amounts, requests
from apps.settlements.services import bank_statements, report_imports
from devtools.generate.played_world import PlayedClock, PlayedGateway, new_gateway_id

#: What every bank reference of a played payment begins with, so that it is found again in any text.
RRN_MARK: Final = "99990000"
BANK_ACCOUNT: Final = "50100012345678"
_STATEMENT_HEAD: Final = "Date,Narration,Value Dat,Debit Amount,Credit Amount,Chq/Ref Number,Closing Balance\n"


@dataclass
class Stage:
    """One order that is being played: its customer, what can be bought, and the clock."""

    clock: PlayedClock
    customer: Any
    address: Any
    variants: Sequence[Any]
    #: The place in the list of the variant that the play calls 0, so that different orders are of different goods.
    shift: int = 0
    order: Order = field(init=False)

    def place(self, *baskets: tuple[int, int]) -> None:
        """Place an order of variants by their place in the list, each with its quantity."""
        self.order = orders.place_order(
            customer_id=self.customer.pk,
            lines=[orders.OrderLineInput(variant_id=self._variant(at).pk, quantity=count) for at, count in baskets],
            shipping_address_id=self.address.pk,
            actor=user_actor(self.customer),
            now=self.clock.now(),
        )
        self._work()
        self.clock.pass_time(seconds=24)

    def _variant(self, at: int) -> Any:
        return self.variants[(at + self.shift) % len(self.variants)]

    def start_payment(self) -> None:
        """Start a payment, which the gateway knows at once."""
        payments.start_payment(
            order_id=self.order.pk,
            customer_id=self.customer.pk,
            actor=user_actor(self.customer),
            now=self.clock.now(),
            payer_ip="203.0.113.7",
            payer_user_agent="Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 Mobile Safari/537.36",
        )
        self._work()
        self.clock.pass_time(seconds=41)

    def pay(self, *, method: str = "upi") -> None:
        """Have the buyer pay: the gateway's webhooks say that it is authorised, and then that it is captured."""
        attempt = new_gateway_id("pay")
        for status, seconds in (("authorized", 2), ("captured", 3)):
            self._receive(f"payment.{status}", payment=self._payment(attempt, status=status, method=method))
            self.clock.pass_time(seconds=seconds)

    def fail_to_pay(self) -> None:
        """Have the buyer's bank decline."""
        declined = {
            "error_code": "BAD_REQUEST_ERROR", "error_reason": "payment_failed", "error_source": "bank",
            "error_step": "payment_authorization", "error_description": "Your payment was declined by the bank.",
        }  # fmt: skip
        self._receive(
            "payment.failed", payment=self._payment(new_gateway_id("pay"), status="failed", method="card", **declined)
        )
        self.clock.pass_time(seconds=75)

    def expire(self) -> None:
        """Let the time to pay pass, with nobody paying."""
        self.clock.pass_time(hours=2)
        polling.poll_open_payments(now=self.clock.now())
        self._work()
        orders.expire_orders(now=self.clock.now())
        self._work()

    def cancel(self) -> None:
        """Have the customer cancel; what was paid is refunded."""
        self.clock.pass_time(minutes=35)
        order_cancellation.cancel_order(
            order_id=self.order.pk, actor=SYSTEM, reason="Ordered by mistake", now=self.clock.now()
        )
        self._work()
        self._process_refunds()

    def dispatch(self, *units: int) -> None:
        """Send the units of each line, or all of them, in one parcel, the day after."""
        self.clock.pass_time(hours=21)
        lines = [
            fulfilment.ShipmentLineInput(line.pk, count)
            for line, count in zip(self._lines(), units, strict=False)
            if count
        ]
        shipment = fulfilment.create_shipment(
            order_id=self.order.pk, lines=lines or None, actor=SYSTEM, now=self.clock.now()
        )
        self._work()
        self.clock.pass_time(minutes=50)
        shipment = fulfilment.pack_shipment(
            shipment_id=shipment.pk, carrier_name="Delhivery", tracking_number=new_gateway_id("awb"), actor=SYSTEM,
            now=self.clock.now(),
        )  # fmt: skip
        self._work()
        self.clock.pass_time(minutes=70)
        self._shipment = fulfilment.dispatch_shipment(shipment_id=shipment.pk, actor=SYSTEM, now=self.clock.now())
        self._work()

    def deliver(self) -> None:
        """Have the parcel arrive two days later, which completes an order that has nothing else under way."""
        self.clock.pass_time(hours=47)
        fulfilment.deliver_shipment(shipment_id=self._shipment.pk, actor=SYSTEM, now=self.clock.now())
        self._work()

    def close(self) -> None:
        """Let the return window pass."""
        self.clock.instant += settings.RETURN_WINDOW + timedelta(hours=1)
        close_orders(now=self.clock.now())
        self._work()

    def refund(self, units: int | None = None) -> None:
        """Refund units of the first line, or all that was paid, on the day after."""
        self.clock.pass_time(hours=20)
        asked: dict[str, Any] = {
            "order_id": self.order.pk, "reason": "customer_request", "actor": SYSTEM, "now": self.clock.now(),
        }  # fmt: skip
        if units is None:
            requests.request_full_refund(**asked)
        else:
            requests.request_refund_by_lines(lines=[amounts.RefundLineInput(self._lines()[0].pk, units)], **asked)
        self._work()
        self._process_refunds()

    def settle(self) -> None:
        """Have the gateway settle all that it owes of the order, and the bank's statement show it."""
        self.clock.pass_time(days=2)
        at, utr, settlement = self.clock.now(), f"UTR{new_gateway_id('utr')[-12:]}", new_gateway_id("setl")
        shared: dict[str, Any] = {
            "settlement_id": settlement, "utr": utr, "settled_at": at, "currency": "INR", "dispute_id": "",
            "description": "", "credit_type": "default",
        }  # fmt: skip
        attempts = PaymentAttempt.objects.filter(payment__order=self.order, captured_at__isnull=False)
        lines = [
            SettlementRow(
                entity_id=one.gateway_payment_id, kind="payment", reported_kind="payment", amount=one.amount, debit=0,
                credit=one.amount - (one.fee_amount or 0), fee_amount=one.fee_amount or 0, tax_amount=one.fee_tax_amount or 0,
                entity_created_at=one.created_at.replace(microsecond=0), method=one.method, gateway_payment_id="", **shared,
            )
            for one in attempts
        ]  # fmt: skip
        lines += [
            SettlementRow(
                entity_id=one.gateway_refund_id or "", kind="refund", reported_kind="refund", amount=one.amount,
                debit=one.amount, credit=0, fee_amount=0, tax_amount=0, entity_created_at=one.created_at.replace(microsecond=0),
                method=one.attempt.method, gateway_payment_id=one.attempt.gateway_payment_id, **shared,
            )
            for one in Refund.objects.filter(order=self.order, processed_at__isnull=False).select_related("attempt")
        ]  # fmt: skip
        PlayedGateway.report = lines
        report_imports.request_settlement_import(day=clock.ist_date(at), actor=SYSTEM, now=at)
        self._work()
        amount = sum(line.credit - line.debit for line in lines)
        if amount > 0:
            self.clock.pass_time(minutes=10)
            self._show_in_bank(amount, utr)

    def _show_in_bank(self, amount: int, utr: str) -> None:
        credit, balance = (Decimal(paise).scaleb(-2) for paise in (amount, amount))
        day = f"{clock.ist_date(self.clock.now()):%d/%m/%y}"
        row = f"{day},NEFT CR-RAZORPAY SOFTWARE PVT LTD-{utr},{day},0.00,{credit},{utr},{balance}\n"
        bank_statements.import_bank_statement(
            stream=io.BytesIO((_STATEMENT_HEAD + row).encode()), name=f"statement-{utr}.csv", account=BANK_ACCOUNT,
            actor=SYSTEM, now=self.clock.now(),
        )  # fmt: skip
        self._work()

    def _process_refunds(self) -> None:
        self.clock.pass_time(hours=5)
        for refund in Refund.objects.filter(order=self.order, processed_at__isnull=True).order_by("pk"):
            entity = {
                "id": refund.gateway_refund_id, "entity": "refund", "amount": refund.amount, "currency": "INR",
                "payment_id": refund.attempt.gateway_payment_id,
                "notes": {"refund": refund.public_id, "order": self.order.public_id}, "receipt": refund.number,
                "acquirer_data": {"arn": None}, "created_at": int(refund.created_at.timestamp()), "batch_id": None,
                "status": "processed", "speed_processed": "normal", "speed_requested": "normal",
            }  # fmt: skip
            self._receive("refund.processed", refund=entity)
        self.clock.pass_time(seconds=9)

    def _lines(self) -> list[OrderLine]:
        return list(OrderLine.objects.filter(order=self.order).order_by("position"))

    def _payment(self, gateway_id: str, *, status: str, method: str, **more: Any) -> dict[str, Any]:
        payment = Payment.objects.filter(order=self.order).latest("sequence")
        is_captured = status == "captured"
        made = PaymentAttempt.objects.filter(gateway_payment_id=gateway_id).first()
        at = made.created_at if made else self.clock.now()
        # 2 % and the GST on it.
        tax = payment.amount * 2 * 18 // 10_000
        return {
            "id": gateway_id, "entity": "payment", "amount": payment.amount, "currency": "INR", "status": status,
            "order_id": payment.gateway_order_id, "invoice_id": None, "international": False, "method": method,
            "amount_refunded": 0, "refund_status": None, "captured": is_captured, "description": None, "card_id": None,
            "bank": None, "wallet": None, "vpa": "payer@okaxis" if method == "upi" else None,
            "email": self.customer.email, "contact": self.customer.phone,
            "notes": {"payment": payment.public_id, "order": self.order.public_id},
            "fee": payment.amount // 50 + tax if is_captured else None, "tax": tax if is_captured else None,
            "error_code": None, "error_description": None, "error_source": None, "error_step": None,
            "error_reason": None,
            "acquirer_data": {"rrn": f"{RRN_MARK}{int(gateway_id[-4:]):04d}"} if status != "failed" else {},
            "created_at": int(at.timestamp()), **more,
        }  # fmt: skip

    def _receive(self, event: str, **entities: Any) -> None:
        if "payment" in entities:
            PlayedGateway.payments[entities["payment"]["id"]] = entities["payment"]
        body = {
            "entity": "event", "account_id": settings.RAZORPAY_ACCOUNT_ID or "acc_BahiGenerated1", "event": event,
            "contains": list(entities), "payload": {name: {"entity": each} for name, each in entities.items()},
            "created_at": int(self.clock.now().timestamp()),
        }  # fmt: skip
        raw = json.dumps(body, separators=(",", ":")).encode()
        signature = hmac.new(settings.RAZORPAY_WEBHOOK_SECRETS[0].encode(), raw, hashlib.sha256).hexdigest()
        webhooks.receive_webhook(raw=raw, signature=signature, event_id=new_gateway_id("evt"), now=self.clock.now())
        self.clock.pass_time(seconds=1)
        self._work()

    def _work(self) -> None:
        run_handlers(self.clock)


class PlayFailed(RuntimeError):
    """A handler of a played order did not succeed; the generator has to learn what the product now does."""


def run_handlers(clock: PlayedClock) -> None:
    """
    Do what relay and workers do until nothing waits. That the order is to be counted is forgotten: all orders will be at once.

    :raises PlayFailed: if a handler fails
    """
    while claimed := relay.claim_outbox(now=clock.now()):
        done = handler_runs.run_handlers([run.pk for run in claimed], now=clock.now(), hint_sent_at=clock.now())
        if done != len(claimed):
            raise PlayFailed(f"{len(claimed) - done} of {[run.handler for run in claimed]} failed")
    PendingProjection.objects.all().delete()


@dataclass(frozen=True)
class Play:
    """
    What happens to an order: its name, the steps, its share of all orders (a weight), and the states its buyer may live in.

    An order is a copy of a play that fits into its age, so there are short ones among them.
    """

    name: str
    weight: int
    states: tuple[str, ...]
    steps: Callable[[Stage], None]


HOME, KARNATAKA, DELHI = "27", "29", "07"
STATES: Final = (HOME, KARNATAKA, DELHI)


def _paid(*basket: tuple[int, int], method: str = "upi") -> Callable[[Stage], None]:
    def steps(stage: Stage) -> None:
        stage.place(*basket)
        stage.start_payment()
        stage.pay(method=method)

    return steps


def _then(first: Callable[[Stage], None], *rest: Callable[[Stage], None]) -> Callable[[Stage], None]:
    def steps(stage: Stage) -> None:
        for step in (first, *rest):
            step(stage)

    return steps


def _expired(stage: Stage) -> None:
    stage.place((3, 1), (1, 2))
    stage.expire()


def _failed_and_expired(stage: Stage) -> None:
    stage.place((2, 1))
    stage.start_payment()
    stage.fail_to_pay()
    stage.expire()


def _failed_then_paid(stage: Stage) -> None:
    stage.place((5, 1), (6, 1))
    stage.start_payment()
    stage.fail_to_pay()
    stage.pay(method="card")


def _cancelled_unpaid(stage: Stage) -> None:
    stage.place((4, 1))
    stage.clock.pass_time(minutes=2)
    order_cancellation.cancel_order(
        order_id=stage.order.pk, actor=user_actor(stage.customer), reason="", now=stage.clock.now()
    )
    run_handlers(stage.clock)


_SHIPPED = (Stage.dispatch, Stage.deliver)
_CLOSED = (*_SHIPPED, Stage.close)

PLAYS: Final[tuple[Play, ...]] = (
    Play("expired", 6, (HOME,), _expired),
    Play("failed and expired", 3, (KARNATAKA,), _failed_and_expired),
    Play("cancelled unpaid", 3, (DELHI,), _cancelled_unpaid),
    Play("paid", 2, (HOME, DELHI), _paid((0, 1))),
    Play("paid, several lines", 1, (KARNATAKA,), _paid((1, 2), (4, 1), (7, 3))),
    Play("dispatched", 1, (HOME,), _then(_paid((2, 2)), Stage.dispatch)),
    Play("delivered", 8, STATES, _then(_paid((3, 1), (5, 2)), *_SHIPPED)),
    Play("closed", 30, STATES, _then(_paid((0, 1)), *_CLOSED)),
    Play("closed, several lines", 25, STATES, _then(_paid((1, 2), (6, 1)), *_CLOSED)),
    Play("closed, many lines", 6, (HOME,), _then(_paid((2, 1), (3, 2), (4, 1), (7, 2)), *_CLOSED)),
    Play("closed, paid at the second attempt", 6, (HOME,), _then(_failed_then_paid, *_CLOSED)),
    Play("cancelled and refunded", 3, (HOME, DELHI), _then(_paid((5, 1)), Stage.cancel)),
    Play("refunded in part, not sent yet", 1, (KARNATAKA,), _then(_paid((6, 3)), lambda stage: stage.refund(1))),
    Play("delivered, refunded in part", 3, (HOME,), _then(_paid((7, 2)), *_SHIPPED, lambda stage: stage.refund(1))),
    Play(
        "closed, refunded in part",
        3,
        (DELHI,),
        _then(_paid((7, 2)), *_SHIPPED, lambda stage: stage.refund(1), Stage.close),
    ),
    Play("closed, refunded in full", 2, (KARNATAKA,), _then(_paid((1, 1)), *_SHIPPED, Stage.refund, Stage.close)),
)
