"""
The journeys: what happens to the orders and the money of a shop, played against the sandbox on a database of its own.

The audit is judged on the rows that they leave behind. A journey that ends with an error leaves what it has done so far, as
a process that crashed would; the next one goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.test import override_settings

from apps.core import clock, relay
from apps.core.events import SYSTEM
from apps.fulfilment import services as fulfilment
from apps.ledger.models import ReconciliationException
from apps.ledger.services import checkpoints, exceptions
from apps.orders.services import cancellation, closure, erasure, expiry, holds
from apps.payments.facts import GatewaySettlement
from apps.payments.models import PaymentAttempt, Refund
from apps.payments.services import (
    gateway_orders,
    order_cancellation,
    payment_acceptance,
    payment_reviews,
    payments,
    polling,
)
from apps.payments.services.disputes import polling as dispute_polling
from apps.payments.services.disputes import responses
from apps.payments.services.refunds import approvals, bank_transfers, submission
from apps.payments.services.refunds.amounts import RefundLineInput
from apps.payments.states import PaymentChannel
from apps.settlements.models import Settlement
from apps.settlements.services import matching, receivables, transfers
from tests.factories.accounts import make_address, make_staff, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.fulfilment import deliver as deliver_shipment
from tests.factories.fulfilment import make_dispatched_shipment, make_packed_shipment
from tests.factories.orders import actor_for, make_order
from tests.factories.payments import (
    apply_payment,
    apply_refund,
    make_dispute,
    make_gateway_payment,
    make_payment,
    make_refund,
    pay,
)
from tests.support.bank_statements import import_statement, statement
from tests.support.gateway_payments import pay_at_gateway
from tests.support.handler_runs import run_handler
from tests.support.refunds import request_refund
from tests.support.settlements import as_csv, import_csv, line, line_of


@dataclass
class Played:
    """What became of the journeys: the errors of those that did not reach their end, by name."""

    errors: dict[str, str] = field(default_factory=dict)


class Shop:
    """One shop with its people; each journey has customers and goods of its own."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.registration = make_registration()
        self.finance = make_staff("finance")
        self.other_finance = make_staff("finance")
        self.support = make_staff("support")

    def order(self, *prices_and_counts: tuple[int, int], stock: int = 20, **fields: Any) -> Any:
        """Place an order of goods of these prices (paise, with tax) and counts by a new customer."""
        pairs = [(make_variant(price=price, stock=stock), count) for price, count in prices_and_counts]
        order = make_order(make_user(name="Asha Owner"), pairs or None, **fields)
        deliver()
        return order

    def paid(self, *prices_and_counts: tuple[int, int], **fields: Any) -> Any:
        """Place and pay an order, and issue its documents."""
        order = self.order(*prices_and_counts, **fields)
        pay(order)
        deliver()
        return order


#: Handlers that write no row of the places' apps: documents as files, and messages.
_LEFT_OUT: Final = ("render_invoice", "render_evidence", "notify")


def deliver() -> None:
    """Run the handlers of all events, but for files and messages, until there is nothing left to do."""
    for _ in range(20):
        claimed = relay.claim_outbox(now=clock.now())
        if not claimed:
            return
        for handler_run in claimed:
            if not handler_run.handler.endswith(_LEFT_OUT):
                run_handler(handler_run.pk)


def play_all(world: Any) -> Played:
    """Play every journey, one after the other."""
    played = Played()
    with override_settings(RAZORPAY_BASE_URL=world.razorpay_url, MSG91_BASE_URL=world.msg91_url):
        shop = Shop(world)
        for journey in JOURNEYS:
            try:
                journey(shop)
                deliver()
            except Exception as error:
                played.errors[journey.__name__] = f"{type(error).__name__}: {error}"[:300]
        checkpoints.checkpoint_balances(now=clock.now() + timedelta(days=1))
    return played


def go_on(world: Any, *, until: datetime) -> None:
    """
    Let the clock's tasks do what is due until then, so that only a fault leaves it undone.

    They run in the first three hours, a day and two days later, and twice at the end. Each polls three times: the gateway's
    answer to one poll may make another due.
    """
    with override_settings(RAZORPAY_BASE_URL=world.razorpay_url, MSG91_BASE_URL=world.msg91_url):
        start = clock.now()
        for at in (*(start + timedelta(hours=hours) for hours in (1, 2, 3, 24, 48)), until - timedelta(days=1), until):
            for _ in range(3):
                polling.poll_open_payments(now=at)
                submission.poll_open_refunds(now=at)
                dispute_polling.poll_open_disputes(now=at)
            expiry.expire_orders(now=at)
            closure.close_orders(now=at)
            deliver()
        checkpoints.checkpoint_balances(now=until)


def pays_at_the_gateway(shop: Shop) -> None:
    """Pay an order by the gateway, with odd paise and two rates of goods."""
    order = shop.order((12_025, 2), (49_900, 1), (105_37, 3))
    pay_at_gateway(order, shop.world)


def buys_within_the_state(shop: Shop) -> None:
    """Pay an order inside the seller's state: CGST and SGST."""
    user = make_user(name="Chitra")
    order = make_order(user, [(make_variant(price=33_333), 3)], address=make_address(user, state="27", pin="411001"))
    pay(order)


def fails_then_pays_twice(shop: Shop) -> None:
    """Fail once, pay, and pay a second time: the surplus is refunded."""
    order = shop.order((25_000, 2))
    payment = make_payment(order)
    apply_payment(make_gateway_payment(payment, status="failed"))
    first = make_gateway_payment(payment)
    apply_payment(first)
    apply_payment(first)
    deliver()
    apply_payment(make_gateway_payment(payment))


def leaves_orders_unpaid(shop: Shop) -> None:
    """Let one order expire without a payment and one with; cancel a third."""
    shop.order((20_000, 2))
    with_payment = shop.order((30_000, 1))
    make_payment(with_payment, is_ready=False)
    deliver()
    cancelled = shop.order((40_000, 1))
    cancellation.cancel_unpaid_order(
        order_id=cancelled.pk, actor=actor_for(cancelled.customer), reason="changed my mind", now=clock.now()
    )
    later = clock.now() + timedelta(hours=2)
    for minutes in range(0, 60, 10):
        polling.poll_open_payments(now=later + timedelta(minutes=minutes))
    expiry.expire_orders(now=later + timedelta(hours=1))


def pays_late(shop: Shop) -> None:
    """Pay after the order expired: with its goods in stock it is revived, without them refunded."""
    for stock in (5, 1):
        order = shop.order((45_000, 1), stock=stock)
        payment = make_payment(order)
        _expire(order, payment)
        if stock == 1:
            variant = order.lines.get().variant
            pay(make_order(make_user(), [(variant, 1)]))
        apply_payment(make_gateway_payment(payment))
        deliver()


def _expire(order: Any, payment: Any) -> None:
    later = clock.now() + timedelta(hours=2)
    payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=SYSTEM, now=clock.now())
    expiry.expire_orders(now=later)
    order.refresh_from_db()


def pays_another_amount(shop: Shop) -> None:
    """Pay too little, which is accepted, and too much, which is refunded."""
    for difference, is_accepted in ((-500, True), (700, False)):
        order = shop.order((60_000, 1))
        payment = make_payment(order)
        attempt = apply_payment(make_gateway_payment(payment, amount=payment.amount + difference))
        deliver()
        if is_accepted:
            payment_acceptance.accept_attempt(
                attempt_id=attempt.pk,
                reason="other",
                note="agreed by phone",
                actor=actor_for(shop.finance),
                now=clock.now(),
            )
        else:
            payment_reviews.refund_reviewed_attempt(
                attempt_id=attempt.pk, actor=actor_for(shop.finance), now=clock.now()
            )


def refunds_by_amount(shop: Shop) -> None:
    """Refund a part by amount, then another, then the rest; the gateway pays each."""
    order = shop.paid((80_000, 1), (15_015, 2))
    for amount in (10_000, 25_050, None):
        refund = request_refund(order, amount=amount, actor=actor_for(shop.finance))
        _process(shop, refund)


def refunds_by_lines(shop: Shop) -> None:
    """Return one unit of three, then two, of one line; the other line stays."""
    order = shop.paid((12_025, 3), (70_000, 1))
    line_id = order.lines.order_by("position").first().pk
    for units in (1, 2):
        refund = request_refund(
            order, lines=[RefundLineInput(order_line_id=line_id, quantity=units)], actor=actor_for(shop.finance)
        )
        _process(shop, refund)


def _process(shop: Shop, refund: Any) -> None:
    deliver()
    refund.refresh_from_db()
    if refund.status == "requires_approval":
        approvals.approve_refund(refund_id=refund.pk, actor=actor_for(shop.other_finance), now=clock.now())
    apply_refund(refund)
    apply_refund(refund)
    deliver()


def refunds_at_the_gateway(shop: Shop) -> None:
    """Refund a payment that the sandbox knows, by its own way."""
    order = shop.order((99_900, 1))
    pay_at_gateway(order, shop.world)
    deliver()
    refund = request_refund(order, amount=30_000, actor=actor_for(shop.finance))
    deliver()
    submission.sync_refund(refund_id=refund.pk, now=clock.now() + timedelta(hours=1))


def refunds_that_do_not_go_through(shop: Shop) -> None:
    """Let a refund fail and transfer it by the bank; reject one, cancel another."""
    order = shop.paid((55_000, 2))
    failed = make_refund(order, amount=11_000, is_approved=True)
    apply_refund(failed, status="failed")
    finance = actor_for(shop.finance)
    bank_transfers.hold_refund_for_transfer(refund_id=failed.pk, actor=finance, now=clock.now())
    bank_transfers.confirm_refund_transfer(refund_id=failed.pk, reference="UTR0001", actor=finance, now=clock.now())
    deliver()
    rejected = make_refund(order, amount=9_000)
    approvals.reject_refund(refund_id=rejected.pk, actor=finance, reason="used goods", now=clock.now())
    cancelled = make_refund(order, amount=8_000)
    approvals.cancel_refund(refund_id=cancelled.pk, actor=actor_for(order.customer), now=clock.now())


def cancels_a_paid_order(shop: Shop) -> None:
    """Cancel a paid order before and after a part of it was refunded."""
    for refunded in (None, 5_000):
        order = shop.paid((35_000, 2), (10_010, 1))
        if refunded:
            _process(shop, request_refund(order, amount=refunded, actor=actor_for(shop.finance)))
        order_cancellation.cancel_order(
            order_id=order.pk, actor=actor_for(shop.finance), reason="out of stock", now=clock.now()
        )
        deliver()
        for refund in _open_refunds(order):
            _process(shop, refund)


def _open_refunds(order: Any) -> list[Any]:
    return list(
        Refund.objects.filter(order_id=order.pk, status__in=["pending", "requires_approval"]).order_by("sequence")
    )


def disputes(shop: Shop) -> None:
    """Lose one dispute, win another, contest a third, and refund what a fourth leaves."""
    for outcome in ("lost", "won"):
        attempt = _captured(shop.paid((65_000, 1)))
        dispute = make_dispute(attempt, amount_deducted=attempt.amount)
        make_dispute(attempt, id=dispute.gateway_dispute_id, status="under_review", amount_deducted=attempt.amount)
        make_dispute(
            attempt,
            id=dispute.gateway_dispute_id,
            status=outcome,
            amount_deducted=attempt.amount if outcome == "lost" else 0,
        )
        deliver()
    order = shop.paid((90_000, 1))
    attempt = _captured(order)
    part = make_dispute(attempt, amount=40_000, amount_deducted=40_000)
    deliver()
    request_refund(order, amount=20_000, actor=actor_for(shop.finance))
    responses.accept_dispute(dispute_id=part.pk, actor=actor_for(shop.finance), now=clock.now())


def _captured(order: Any) -> Any:
    return PaymentAttempt.objects.filter(payment__order=order, status="captured").get()


def settles(shop: Shop) -> None:
    """Import a report with payments, a refund and a fee, and one with lines that contradict the books."""
    good = [shop.paid((50_000, 1)) for _ in range(3)]
    refunded = shop.paid((42_000, 1))
    refund = request_refund(refunded, amount=12_000, actor=actor_for(shop.finance))
    _process(shop, refund)
    refund.refresh_from_db()
    lines = [line_of(_captured(order)) for order in (*good, refunded)]
    lines.append(
        line(
            refund.gateway_refund_id, "refund", debit=refund.amount, amount=refund.amount,
            payment_id=refund.attempt.gateway_payment_id,
        )
    )  # fmt: skip
    import_csv(as_csv(*lines))
    import_csv(as_csv(*lines))
    odd = [shop.paid((50_500, 1)) for _ in range(4)]
    first, second, third = (_captured(order) for order in odd[:3])
    import_csv(
        as_csv(
            line_of(first, settlement_id="setl_00000000000002", amount=first.amount + 100, credit=first.amount + 100),
            line_of(second, settlement_id="setl_00000000000002", fee=second.fee_amount + 50),
            line_of(third, settlement_id="setl_00000000000002", credit=third.amount - third.fee_amount - 7),
            line("pay_99999999999999", settlement_id="setl_00000000000002", amount=777, credit=777),
            line("adj_00000000000001", "adjustment", settlement_id="setl_00000000000002", amount=900, credit=900),
        )
    )
    deliver()
    much_later = clock.now() + timedelta(days=20)
    matching.open_missing_line_exceptions(now=much_later)
    receivables.open_overdue_receivable_exceptions(now=much_later)
    _resolve_exceptions(shop)


#: How the first exceptions are decided, oldest first; the second holds no money.
_DECISIONS: Final = (
    "written_off", "noted", "cleared", "paid_outside", "written_off", "paid_outside", "written_off", "written_off",
)  # fmt: skip


def _resolve_exceptions(shop: Shop) -> None:
    oldest = ReconciliationException.objects.order_by("opened_at", "pk")[: len(_DECISIONS)]
    for exception, resolution in zip(oldest, _DECISIONS, strict=True):
        exceptions.resolve_exception(
            exception_id=exception.pk, resolution=resolution, note="looked into", actor=actor_for(shop.finance),
            now=clock.now(),
        )  # fmt: skip


def reaches_the_bank(shop: Shop) -> None:
    """Import a bank's statement with a settlement, a charge, and money that nothing explains; one settlement fails."""
    order = shop.paid((52_000, 1))
    import_csv(as_csv(line_of(_captured(order), settlement_id="setl_00000000000003", settlement_utr="UTR3000003")))
    settlement = Settlement.objects.get(gateway_settlement_id="setl_00000000000003")
    import_statement(
        statement(
            (settlement.lines_amount, "NEFT/UTR3000003/RAZORPAY"),
            (-1_180, "NEFT CHARGES GST"),
            (4_321, "UPI/FROM NOBODY"),
        )
    )
    failing = shop.paid((53_000, 1))
    import_csv(as_csv(line_of(_captured(failing), settlement_id="setl_00000000000004", settlement_utr="UTR4000004")))
    failed = Settlement.objects.get(gateway_settlement_id="setl_00000000000004")
    transfers.record_transfer(
        settlement_id=failed.pk,
        facts=GatewaySettlement(
            gateway="razorpay",
            id="setl_00000000000004",
            amount=failed.lines_amount,
            status="failed",
            utr="UTR4000004",
            created_at=clock.now(),
        ),
        now=clock.now(),
    )


def sends_goods(shop: Shop) -> None:
    """Send an order in two parcels, which completes it; lose one of another; cancel a parcel; hold and release an order."""
    order = shop.paid((22_000, 3), (12_025, 2))
    first = make_dispatched_shipment(order, {1: 2})
    deliver_shipment(first)
    second = make_packed_shipment(order)
    fulfilment.dispatch_shipment(
        shipment_id=second.pk, carrier_name="India Post", tracking_number="EK1IN", actor=actor_for(shop.support),
        now=clock.now(),
    )  # fmt: skip
    deliver_shipment(second)
    lost = shop.paid((23_000, 2))
    fulfilment.mark_shipment_lost(
        shipment_id=make_dispatched_shipment(lost, {1: 1}).pk, actor=actor_for(shop.support), now=clock.now()
    )
    fulfilment.cancel_shipment(shipment_id=make_packed_shipment(lost).pk, actor=SYSTEM, now=clock.now())
    make_packed_shipment(shop.paid((28_000, 1)))
    held = shop.paid((24_000, 1))
    holds.hold_order(order_id=held.pk, reason="address unclear", actor=actor_for(shop.support), now=clock.now())
    holds.release_order(order_id=held.pk, reason="called", actor=actor_for(shop.support), now=clock.now())
    cancelled = shop.paid((25_000, 1))
    make_packed_shipment(cancelled)
    order_cancellation.cancel_order(
        order_id=cancelled.pk, actor=actor_for(shop.finance), reason="out of stock", now=clock.now()
    )


def refunds_what_was_sent(shop: Shop) -> None:
    """Refund one unit before the rest is sent, and one that was delivered."""
    order = shop.paid((26_000, 4))
    line_id = order.lines.get().pk
    one = [RefundLineInput(order_line_id=line_id, quantity=1)]
    _process(shop, request_refund(order, lines=one, actor=actor_for(shop.finance)))
    deliver_shipment(make_dispatched_shipment(order))
    _process(shop, request_refund(order, lines=one, reason="goods_returned", actor=actor_for(shop.finance)))
    closure.close_orders(now=clock.now() + timedelta(days=200))


def sends_before_the_invoice(shop: Shop) -> None:
    """Send an order whose invoice is issued at its dispatch."""
    with override_settings(INVOICE_AT="dispatch"):
        order = shop.order((27_000, 2), (11_115, 1))
        pay(order)
        deliver()
        make_dispatched_shipment(order, {1: 1})
        deliver_shipment(make_dispatched_shipment(order))


def erases_a_customer(shop: Shop) -> None:
    """Erase a customer whose order is long over."""
    order = shop.order((21_000, 1))
    cancellation.cancel_unpaid_order(order_id=order.pk, actor=SYSTEM, reason="test", now=clock.now())
    deliver()
    erasure.erase_customer(customer_id=order.customer_id, actor=actor_for(shop.support), now=clock.now())


def links(shop: Shop) -> None:
    """Send a payment link, which is paid at the gateway."""
    order = shop.order((31_000, 1))
    payment = payments.start_link_payment(
        order_id=order.pk, channel=PaymentChannel.PAYMENT_LINK, actor=actor_for(shop.support), now=clock.now()
    )
    gateway_orders.create_gateway_order(payment_id=payment.pk, now=clock.now())
    deliver()
    polling.sync_payment(payment_id=payment.pk, now=clock.now() + timedelta(minutes=1))


def is_paying(shop: Shop) -> None:
    """Leave one customer at the gateway, whose UPI app is open, and one who has failed once and may pay again."""
    for has_failed in (False, True):
        payment = make_payment(shop.order((32_000, 1)), is_ready=False)
        deliver()
        payment.refresh_from_db()
        if has_failed:
            apply_payment(make_gateway_payment(payment, status="failed"))


JOURNEYS: Final[tuple[Callable[[Shop], None], ...]] = (
    pays_at_the_gateway, buys_within_the_state, fails_then_pays_twice, leaves_orders_unpaid, pays_late,
    pays_another_amount, refunds_by_amount, refunds_by_lines, refunds_at_the_gateway, refunds_that_do_not_go_through,
    cancels_a_paid_order, disputes, settles, reaches_the_bank, sends_goods, refunds_what_was_sent,
    sends_before_the_invoice, erases_a_customer, links, is_paying,
)  # fmt: skip
