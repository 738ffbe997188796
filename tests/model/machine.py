"""
The state machine: it does the same to the product and to the model, and compares them after each step.

Its rules are what happens to a shop: buyers, staff, the gateway (in any order, twice, late), banks, workers that are
killed at a commit, and callers who repeat a request with the same key.
"""

import io
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import wraps
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.core import audit
from apps.core.errors import BahiError
from apps.core.events import SYSTEM, Actor
from apps.fulfilment.services import (
    ShipmentLineInput,
    create_shipment,
    deliver_shipment,
    dispatch_shipment,
    pack_shipment,
)
from apps.invoicing.models import Invoice, InvoiceLine
from apps.orders import selectors as order_selectors
from apps.orders import services as orders
from apps.orders.models import Order as OrderRow
from apps.payments.facts import GatewayDispute, GatewayPayment, GatewayRefund
from apps.payments.models import Payment, PaymentAttempt
from apps.payments.selectors import refunds as refund_selectors
from apps.payments.services import attempts, order_cancellation, payments, polling, webhooks
from apps.payments.services.disputes import gateway_updates as dispute_updates
from apps.payments.services.disputes import polling as dispute_polling
from apps.payments.services.refunds import approvals, bank_transfers, gateway_updates, requests, submission
from apps.payments.services.refunds.amounts import RefundLineInput
from apps.payments.states import Source
from apps.settlements.models import Settlement
from apps.settlements.services import report_imports, transfers
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.factories.orders import actor_for
from tests.model.arithmetic import rounded
from tests.model.books import Role
from tests.model.driver import APPROVAL_THRESHOLD, Commits, Driver, Kill, Killed, model_settings
from tests.model.gateway import ANSWERS, ModelGateway, Truth, captured, settlement
from tests.model.shop import Article, Order, Refund, Refused, Shop, can_refund
from tests.model.tax import Amounts
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA, make_colleagues
from tests.support.settlements import as_csv, line
from tests.support.webhooks import sign


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with one step: kills of its process and of a worker, a repetition, workers that lag, the gateway."""

    kill: Kill | None
    work_kill: Kill | None
    is_repeated: bool
    is_late: bool
    answer: str


CALM = Trouble(kill=None, work_kill=None, is_repeated=False, is_late=False, answer="pending")


class Skipped(Exception):
    """Nothing to work on in the present state."""


def step(**strategies: Any) -> Callable[[Callable[..., None]], Any]:
    """Make a rule of a method that may be skipped. Hypothesis would throw the whole example away at an assumption."""

    def decorate(method: Callable[..., None]) -> Any:
        @wraps(method)
        def run(self: "ShopMachine", trouble: Trouble, **drawn: Any) -> None:
            self.truth.answer = trouble.answer
            with suppress(Skipped):
                method(self, trouble, **drawn)

        return rule(trouble=TROUBLE, **strategies)(run)

    return decorate


PICK = st.integers(0, 7)
KILL = st.one_of(st.none(), st.none(), st.none(), st.builds(Kill, st.integers(1, 4), st.booleans()))
TROUBLE = st.builds(
    Trouble,
    kill=KILL,
    work_kill=KILL,
    is_repeated=st.booleans(),
    is_late=st.sampled_from([False, False, False, True]),
    answer=st.sampled_from(("pending", "processed", *ANSWERS)),
)
DAY = 86_400

#: sku: price in paise, rate in basis points, whether the price includes the tax, units on hand.
GOODS = {"KURTA": (49_950, 1800, False, 6), "SCARF": (3_333, 500, True, 8), "LAMP": (99_900, 1800, True, 3)}
ROLES = {
    "gateway_receivable:razorpay": Role.GATEWAY,
    "customer_advances": Role.CUSTOMERS,
    "refunds_payable": Role.CUSTOMERS,
    "sales": Role.SALES,
    "output_cgst": Role.CGST,
    "output_sgst": Role.SGST,
    "output_igst": Role.IGST,
    "round_off": Role.ROUND_OFF,
    "gateway_fees:razorpay": Role.FEES,
    "input_gst": Role.FEE_TAX,
    "settlement_in_transit": Role.TRANSIT,
    "bank": Role.BANK,
    "disputes": Role.DISPUTES,
    "dispute_losses": Role.DISPUTES,
    "suspense": Role.SUSPENSE,
}
#: What documents move is compared only once the workers have issued them.
OF_DOCUMENTS = {Role.CUSTOMERS, Role.SALES, Role.CGST, Role.SGST, Role.IGST, Role.ROUND_OFF}


class ShopMachine(RuleBasedStateMachine):
    """One example: a shop that begins with goods on hand and no order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.commits = Commits()
        self.stack.enter_context(model_settings())
        self.example = transaction.atomic()
        self.example.__enter__()
        self.stack.callback(self._roll_back)
        with connection.cursor() as cursor:
            # An example is one long transaction, and a machine may be busy; no production limit is tested here.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
        self.stack.enter_context(self.commits.watched())
        self.truth = ModelGateway.truth = Truth()
        self.driver = Driver(self.commits)
        self.model = Shop(approval_above=APPROVAL_THRESHOLD)
        self.rows: dict[str, OrderRow] = {}
        self.gateway_orders: dict[str, str] = {}
        self.said: list[GatewayPayment] = []
        self.arriving: list[GatewayPayment] = []
        self.owner: dict[str, str] = {}
        self.disputes: list[GatewayDispute] = []
        self.settled: set[str] = set()
        self.noted: set[str] = set()
        self.failed: set[str] = set()
        self.parcels: list[tuple[str, str, dict[int, int]]] = []
        self.days = self.transfers = 0
        self.commits.arm(None)

    def _roll_back(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @initialize(
        first=st.lists(st.integers(0, 2), min_size=3, max_size=3), is_at_home=st.booleans(), is_paid=st.booleans()
    )
    def open_shop(self, first: list[int], *, is_at_home: bool, is_paid: bool) -> None:
        if not Group.objects.exists():
            call_command("setup_reference_data", verbosity=0)
        make_registration()
        make_colleagues()
        self.buyer = make_user(name="Asha Owner")
        self.addresses = {True: make_address(self.buyer, state="27"), False: make_address(self.buyer)}
        self.variants = {}
        for price, rate, tax_included, on_hand in GOODS.values():
            variant = make_variant(
                price=price, stock=on_hand, tax_class=f"gst_{rate // 100}", price_includes_tax=tax_included
            )
            self.variants[variant.sku] = variant
            self.model.sell(Article(variant.sku, price, rate, tax_included), on_hand)
        self.place(trouble=CALM, units=first, at_home=is_at_home)
        if is_paid and self.rows:
            self.pay(trouble=CALM, index=0, status="captured")
            self.gateway_reports(trouble=CALM, index=0, by_webhook=True)

    # -- helpers ---------------------------------------------------------------------------------------------------

    def pick(self, among: list[Any], index: int) -> Any:
        if not among:
            raise Skipped
        return among[index % len(among)]

    def pick_order(self, index: int, *statuses: str) -> str:
        names = [name for name, order in self.model.orders.items() if not statuses or order.status in statuses]
        return str(self.pick(names, index))

    def pick_refund(self, index: int, *statuses: str) -> tuple[Order, Refund]:
        found = [
            (order, refund)
            for order in self.model.orders.values()
            for refund in order.refunds
            if refund.status in statuses and refund.id
        ]
        chosen: tuple[Order, Refund] = self.pick(found, index)
        return chosen

    def both(self, ours: Callable[[], Any], model: Callable[[], Any]) -> Any:
        """Do the same to product and model, both of which may refuse; return what the model returned, or None."""
        try:
            ours()
        except BahiError as refusal:
            try:
                model()
            except Refused:
                return None
            raise AssertionError(f"the product refuses what the pages allow: {refusal!r}") from refusal
        try:
            return model()
        except Refused:
            raise AssertionError("the product does what the pages refuse") from None

    def finish(self, trouble: Trouble | None = None) -> None:
        """Bind what is new, and let the workers do the rest, unless they lag behind."""
        self.bind_refunds()
        if trouble is not None and trouble.is_late:
            return
        self.driver.work(trouble.work_kill if trouble else None)
        arrived, self.arriving = self.arriving, []
        for facts in arrived:
            self.tell_model(facts)
        self.read_gateway_log()
        for order in self.model.orders.values():
            self.model.issue_invoice(order)
        self.bind_refunds()
        self.read_credit_notes()

    def tell_model(self, facts: GatewayPayment) -> None:
        self.model.gateway_says(self.owner[facts.order_id], facts.id, facts.status, facts.amount)

    def read_gateway_log(self) -> None:
        for said in self.truth.read_log():
            if isinstance(said, GatewayPayment):
                self.tell_model(said)
                continue
            ours, status = said
            order, refund = self.find_refund(ours)
            refund.sent = True
            self.apply_to_model(order, refund, status)

    def find_refund(self, ours: str) -> tuple[Order, Refund]:
        self.bind_refunds()
        for order in self.model.orders.values():
            for refund in order.refunds:
                if refund.id == ours:
                    return order, refund
        raise AssertionError(f"the gateway was asked for the refund {ours}, which the model does not know")

    def apply_to_model(self, order: Order, refund: Refund, status: str) -> None:
        if status == "processed":
            self.model.process_refund(refund)
        elif refund.status in {"pending", "unknown"}:
            if status == "failed":
                self.model.fail_refund(order, refund)
            elif status == "unknown":
                self.model.lose_answer(refund)
            else:
                refund.status = "pending"

    def bind_refunds(self) -> None:
        """Give the model's refunds the ids of the product's, matched by attempt and amount."""
        for name, order in self.model.orders.items():
            unbound = [refund for refund in order.refunds if not refund.id]
            if not unbound:
                continue
            ids = {refund.id for refund in order.refunds}
            rows = [row for row in self.driver.refunds(self.rows[name].pk) if row.public_id not in ids]
            of = {id(attempt): gateway_id for gateway_id, attempt in order.attempts.items()}
            for refund in unbound:
                key = (of[id(refund.attempt)], refund.amount)
                row = next((row for row in rows if (row.gateway_payment_id, row.amount) == key), None)
                if row is not None:
                    rows.remove(row)
                    refund.id = row.public_id

    def read_credit_notes(self) -> None:
        """Take over the credit notes of processed refunds, each judged by the model; a note too many or too few fails."""
        notes: dict[str, list[Invoice]] = {}
        for note in Invoice.objects.filter(type="credit_note"):
            notes.setdefault(str(note.refund_id), []).append(note)
        for order in self.model.orders.values():
            for refund in order.refunds:
                if refund.status != "processed" or refund.id in self.noted:
                    continue
                row = next(row for row in self._refund_rows() if row.public_id == refund.id)
                found = notes.get(str(row.pk), [])
                is_due = order.invoiced and refund.attempt.applied
                assert len(found) == (1 if is_due else 0), f"{len(found)} credit notes of a refund, due: {is_due}"
                self.noted.add(refund.id)
                if found:
                    self._credit(order, refund, found[0])

    def _refund_rows(self) -> list[Any]:
        return [row for order in self.rows.values() for row in self.driver.refunds(order.pk)]

    def _credit(self, order: Order, refund: Refund, note: Invoice) -> None:
        heads = Amounts(note.taxable_amount, note.cgst_amount, note.sgst_amount, note.igst_amount)
        self.model.credit(order, note.pk, refund, heads, note.round_off_amount)
        rates = {one.article.sku: one.article.rate for one in order.lines}
        parts = 1 + len(self.noted)
        for row in InvoiceLine.objects.filter(invoice=note):
            due = row.taxable_amount * rates[row.sku] / 10_000
            assert abs(row.cgst_amount + row.sgst_amount + row.igst_amount - due) <= 1 + parts, "not the invoice's rate"

    # -- orders ----------------------------------------------------------------------------------------------------

    @step(units=st.lists(st.integers(0, 2), min_size=3, max_size=3), at_home=st.booleans())
    @precondition(lambda self: len(self.rows) < 4)
    def place(self, trouble: Trouble, units: list[int], *, at_home: bool) -> None:
        wanted = {sku: count for sku, count in zip(self.variants, units, strict=True) if count}
        if not wanted:
            raise Skipped
        name = f"order {len(self.rows) + 1}"
        lines = [orders.OrderLineInput(self.variants[sku].pk, count) for sku, count in wanted.items()]

        def place_and_start() -> str:
            row = orders.place_order(
                customer_id=self.buyer.pk, lines=lines, shipping_address_id=self.addresses[at_home].pk,
                actor=actor_for(self.buyer), now=self.driver.now,
            )  # fmt: skip
            payment = payments.start_payment(
                order_id=row.pk, customer_id=self.buyer.pk, actor=actor_for(self.buyer), now=self.driver.now
            )
            return f"{row.pk} {payment.pk}"

        made: list[str] = []
        order = self.both(
            lambda: made.append(self.driver.do_once(place_and_start, trouble.kill, repeat=trouble.is_repeated)),
            lambda: self.model.place(name, wanted, intra_state=at_home),
        )
        if order is None:
            return
        order_id, payment_id = made[0].split()
        self.rows[name] = OrderRow.objects.get(pk=order_id)
        assert self.rows[name].total_amount == order.total, "another total than the model's"
        self.finish()
        payment = Payment.objects.get(pk=payment_id)
        self.gateway_orders[name] = str(payment.gateway_order_id)
        self.owner[str(payment.gateway_order_id)] = name

    @step(index=PICK, by_buyer=st.booleans())
    def cancel(self, trouble: Trouble, index: int, *, by_buyer: bool) -> None:
        name = self.pick_order(index)
        row, actor = self.rows[name], actor_for(self.buyer) if by_buyer else SYSTEM

        def cancel_all() -> str:
            live = Payment.objects.filter(order=row, status__in=("requires_payment", "processing", "requires_capture"))
            if self.model.orders[name].status == "pending_payment":
                for payment in live:
                    payments.cancel_payment(payment_id=payment.pk, customer_id=None, actor=actor, now=self.driver.now)
            order_cancellation.cancel_order(order_id=row.pk, actor=actor, reason="", now=self.driver.now)
            return "cancelled"

        self.both(
            lambda: self.driver.do_once(cancel_all, trouble.kill, repeat=trouble.is_repeated),
            lambda: self.model.cancel(name, waits_above=APPROVAL_THRESHOLD if by_buyer else None),
        )
        self.finish(trouble)

    @step()
    def a_day_passes(self, trouble: Trouble) -> None:
        """The poller asks for each payment, and then orders without money under way expire."""
        if self.days == 2:
            raise Skipped
        self.days += 1
        self.pass_a_day(trouble)

    def pass_a_day(self, trouble: Trouble) -> None:
        self.finish()
        self.driver.wait(DAY)
        self.driver.do(lambda: polling.poll_open_payments(now=self.driver.now), trouble.kill)
        if trouble.kill is not None:
            # A poll that was killed has heard of some payments of an order and not of others: their webhooks come, too.
            for facts in [said for said in self.truth.log if isinstance(said, GatewayPayment)]:
                attempts.apply_gateway_payment(facts=facts, source=Source.POLL, actor=SYSTEM, now=self.driver.now)
        self.read_gateway_log()
        self.finish()
        self.driver.do(lambda: orders.expire_orders(now=self.driver.now), trouble.work_kill)
        for name in self.model.orders:
            if self.model.orders[name].status == "pending_payment":
                self.model.expire(name)
        self.finish()

    # -- payments --------------------------------------------------------------------------------------------------

    @step(index=PICK, status=st.sampled_from(["captured", "captured", "authorized", "failed"]))
    def pay(self, trouble: Trouble, index: int, status: str) -> None:
        """The buyer pays at the gateway, which alone knows of it for now."""
        name = self.pick_order(index)
        if len(self.truth.of_order(self.gateway_orders[name])) > 2:
            raise Skipped
        facts = GatewayPayment(
            gateway="razorpay", id=self.truth.new_id("pay"), order_id=self.gateway_orders[name], status=status,
            amount=self.model.orders[name].total, currency="INR", method="upi",
        )  # fmt: skip
        self.become(captured(facts) if status == "captured" else facts)

    @step(index=PICK, status=st.sampled_from(["captured", "authorized"]))
    def bank_answers_late(self, trouble: Trouble, index: int, status: str) -> None:
        open_ones = [one for one in self.truth.payments.values() if one.status in {"failed", "authorized"}]
        facts = self.pick(open_ones, index)
        self.become(captured(facts) if status == "captured" else replace(facts, status=status))

    def become(self, facts: GatewayPayment) -> None:
        self.truth.payments[facts.id] = facts
        self.said.append(facts)

    @step(index=st.integers(0, 30), by_webhook=st.booleans())
    @precondition(lambda self: self.said)
    def gateway_reports(self, trouble: Trouble, index: int, *, by_webhook: bool) -> None:
        """Anything that the gateway ever said arrives: late, twice, or before what came first."""
        facts = self.said[-1 - index % len(self.said)]
        if by_webhook:
            raw = webhook_of(facts)
            self.driver.do(
                lambda: webhooks.receive_webhook(raw=raw, signature=sign(raw), event_id="", now=self.driver.now),
                trouble.kill,
            )
            self.arriving.append(facts)
        else:
            self.driver.do(
                lambda: attempts.apply_gateway_payment(
                    facts=facts, source=Source.POLL, actor=SYSTEM, now=self.driver.now
                ),
                trouble.kill,
            )
            self.tell_model(facts)
        self.finish(trouble)

    # -- refunds ---------------------------------------------------------------------------------------------------

    @step(
        index=PICK,
        how=st.sampled_from(["99", "100", "12345", "half", "all but little", "all", "too much"]),
        who=st.sampled_from(["buyer", "support", "finance"]),
    )
    def request_refund(self, trouble: Trouble, index: int, how: str, who: str) -> None:
        name = self.pick_order(index, "confirmed", "cancelled", "expired")
        order = self.model.orders[name]
        left = order.all_refundable
        amount = {"half": left // 2, "all but little": left - 50, "all": left, "too much": left + 1}.get(how)
        amount = int(how) if amount is None else amount
        if amount <= 0:
            raise Skipped
        whole = [one for one in order.attempts.values() if order.refundable(one)]
        if len(whole) == 1:
            is_refused: bool | None = not can_refund(amount, of=left)
        else:
            is_refused = True if not whole or amount > left or amount < 100 else None
        self._request(
            name,
            lambda: requests.request_refund_by_amount(
                order_id=self.rows[name].pk, amount=amount, reason="customer_request", actor=self.actor(who),
                now=self.driver.now,
            ),
            who=who, amount=amount, is_refused=is_refused, trouble=trouble,
        )  # fmt: skip

    @step(index=PICK, who=st.sampled_from(["buyer", "finance"]))
    def request_all(self, trouble: Trouble, index: int, who: str) -> None:
        name = self.pick_order(index, "confirmed", "cancelled", "expired")
        left = self.model.orders[name].all_refundable
        self._request(
            name,
            lambda: requests.request_full_refund(
                order_id=self.rows[name].pk, reason="customer_request", actor=self.actor(who), now=self.driver.now
            ),
            who=who, amount=left, is_refused=left < 100, trouble=trouble,
        )  # fmt: skip

    @step(
        index=PICK,
        units=st.lists(st.integers(0, 2), min_size=3, max_size=3),
        who=st.sampled_from(["buyer", "finance"]),
    )
    def return_units(self, trouble: Trouble, index: int, units: list[int], who: str) -> None:
        name = self.pick_order(index, "confirmed")
        order = self.model.orders[name]
        wanted = {at: count for at, count in zip(range(len(order.lines)), units, strict=False) if count}
        if not wanted:
            raise Skipped
        line_ids = order_selectors.list_line_ids(self.rows[name].pk)
        skus = {row.pk: row.sku for row in order_selectors.list_lines(self.rows[name].pk)}
        by_sku = {skus[line_id]: line_id for line_id in line_ids}
        inputs = [RefundLineInput(by_sku[order.lines[at].article.sku], count) for at, count in wanted.items()]
        has_units = all(order.lines[at].ordered - order.lines[at].given_back >= n for at, n in wanted.items())
        is_first = not any(refund.counts for refund in order.refunds)
        self._request(
            name,
            lambda: requests.request_refund_by_lines(
                order_id=self.rows[name].pk, lines=inputs, reason="goods_returned", actor=self.actor(who),
                now=self.driver.now,
            ),
            who=who, amount=None, is_refused=None if has_units else True, trouble=trouble,
            units=wanted, expected=self._worth(order, wanted) if is_first else None,
        )  # fmt: skip

    @staticmethod
    def _worth(order: Order, units: dict[int, int]) -> int:
        if all(units.get(at, 0) == one.ordered for at, one in enumerate(order.lines)):
            return order.total
        return sum(
            rounded(Fraction(order.lines[at].amounts.total * n, order.lines[at].ordered)) for at, n in units.items()
        )

    def actor(self, who: str) -> Actor:
        return {"buyer": actor_for(self.buyer), "support": DEEPA, "finance": ASHA}[who]

    def _request(
        self,
        name: str,
        effect: Callable[[], Any],
        *,
        who: str,
        amount: int | None,
        is_refused: bool | None,
        trouble: Trouble,
        units: dict[int, int] | None = None,
        expected: int | None = None,
    ) -> None:
        order = self.model.orders[name]
        known = {refund.id for refund in order.refunds}
        self.bind_refunds()
        try:
            self.driver.do_once(lambda: len(effect()), trouble.kill, repeat=trouble.is_repeated)
        except BahiError as refusal:
            if is_refused is False:
                raise AssertionError(f"the product refuses what the pages allow: {refusal!r}") from refusal
            return
        assert is_refused is not True, "the product refunds what the pages refuse"
        known = {refund.id for refund in order.refunds}
        made = [row for row in self.driver.refunds(self.rows[name].pk) if row.public_id not in known]
        total = sum(row.amount for row in made)
        assert amount in (None, total), f"{total} are refunded instead of {amount}"
        if expected is not None:
            assert abs(total - expected) <= len(order.lines), f"units are refunded at {total} instead of {expected}"
        alone = who == "finance" and self.model.decided_alone(order) + total <= APPROVAL_THRESHOLD
        for row in made:
            refund = self.model.request_refund(
                name, row.gateway_payment_id, row.amount, is_approver=who == "finance", units=units
            )
            refund.id, refund.decided_alone = row.public_id, alone
            refund.status = "pending" if alone else "requires_approval"
        self.finish(trouble)

    @step(index=PICK, decision=st.sampled_from(["approve", "approve", "reject", "cancel"]))
    def decide(self, trouble: Trouble, index: int, decision: str) -> None:
        order, refund = self.pick_refund(index, "requires_approval", "pending", "awaiting_transfer", "processed")
        pk, now = self.pk_of(refund), self.driver.now
        service = {
            "approve": lambda: approvals.approve_refund(refund_id=pk, actor=BALA, now=now),
            "reject": lambda: approvals.reject_refund(refund_id=pk, actor=BALA, reason="no", now=now),
            "cancel": lambda: approvals.cancel_refund(refund_id=pk, actor=BALA, now=now),
        }[decision]
        unsent = {"requires_approval"} | (set() if refund.sent else {"pending"})
        model = {
            "approve": lambda: self.model.approve(order, refund),
            "reject": lambda: self.model.drop(order, refund, {"requires_approval", "awaiting_transfer"}),
            "cancel": lambda: self.model.drop(order, refund, unsent),
        }[decision]
        self.both(lambda: self.driver.do_once(lambda: service().pk, trouble.kill), model)
        self.finish(trouble)

    def pk_of(self, refund: Refund) -> UUID:
        return next(row.pk for row in self._refund_rows() if row.public_id == refund.id)

    @step(index=PICK, status=st.sampled_from(["processed", "processed", "failed", "pending"]))
    def refund_is_reported(self, trouble: Trouble, index: int, status: str) -> None:
        """The gateway's refund goes on, or an old report of it arrives."""
        facts: GatewayRefund = self.pick(list(self.truth.refunds.values()), index)
        if facts.status == "pending":
            self.truth.refunds[facts.id] = facts = replace(facts, status=status)
        elif status == "pending":
            facts = replace(facts, status=status)
        self.driver.do(
            lambda: gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=self.driver.now), trouble.kill
        )
        order, refund = self.find_refund(facts.our_refund)
        refund.sent = True
        self.apply_to_model(order, refund, facts.status)
        self.finish(trouble)

    @step()
    def refunds_are_polled(self, trouble: Trouble) -> None:
        if all(
            refund.status not in {"pending", "unknown"} for one in self.model.orders.values() for refund in one.refunds
        ):
            raise Skipped
        self.finish()
        self.driver.wait(DAY)
        self.poll_refunds(trouble)

    def poll_refunds(self, trouble: Trouble) -> None:
        self.driver.do(lambda: submission.poll_open_refunds(now=self.driver.now), trouble.kill)
        self.read_gateway_log()
        self.finish()

    @step(index=PICK)
    def retry_refund(self, trouble: Trouble, index: int) -> None:
        order, refund = self.pick_refund(index, "failed")
        pk = self.pk_of(refund)
        self.both(
            lambda: self.driver.do_once(
                lambda: requests.retry_refund(refund_id=pk, actor=ASHA, now=self.driver.now).pk,
                trouble.kill,
                repeat=trouble.is_repeated,
            ),
            lambda: self.model.retry(order, refund),
        )
        self.finish(trouble)

    @step(index=PICK)
    def hold_for_transfer(self, trouble: Trouble, index: int) -> None:
        order, refund = self.pick_refund(index, "failed", "awaiting_transfer", "processed")
        pk = self.pk_of(refund)
        self.both(
            lambda: self.driver.do_once(
                lambda: bank_transfers.hold_refund_for_transfer(refund_id=pk, actor=BALA, now=self.driver.now).pk,
                trouble.kill,
            ),
            lambda: self.model.hold_for_transfer(order, refund),
        )
        self.finish()

    @step(index=PICK)
    def confirm_transfer(self, trouble: Trouble, index: int) -> None:
        _, refund = self.pick_refund(index, "awaiting_transfer")
        pk = self.pk_of(refund)
        self.both(
            lambda: self.driver.do_once(
                lambda: (
                    bank_transfers.confirm_refund_transfer(
                        refund_id=pk, reference=f"UTR {refund.id}", actor=CHITRA, now=self.driver.now
                    ).pk
                ),
                trouble.kill,
            ),
            lambda: self.model.transfer_refund(refund),
        )
        self.finish(trouble)

    # -- parcels ---------------------------------------------------------------------------------------------------

    @step(index=PICK, is_all=st.booleans())
    def send(self, trouble: Trouble, index: int, *, is_all: bool) -> None:
        """Staff pack what is left of an order, or one unit of it, and hand it to a carrier."""
        name = self.pick_order(index, "confirmed", "in_fulfilment")
        order = self.model.orders[name]
        if order.refunds or any(attempt.disputes for attempt in order.attempts.values()):
            raise Skipped
        left = {
            at: line.ordered - line.dispatched for at, line in enumerate(order.lines) if line.ordered > line.dispatched
        }
        if not left:
            raise Skipped
        units = left if is_all else {min(left): 1}
        by_sku = {row.sku: row.pk for row in order_selectors.list_lines(self.rows[name].pk)}
        lines = [
            ShipmentLineInput(order_line_id=by_sku[order.lines[at].article.sku], quantity=n) for at, n in units.items()
        ]

        def pack_and_dispatch() -> str:
            shipment = create_shipment(order_id=self.rows[name].pk, lines=lines, actor=ASHA, now=self.driver.now)
            pack_shipment(
                shipment_id=shipment.pk, carrier_name="Post", tracking_number="1", actor=ASHA, now=self.driver.now
            )
            dispatch_shipment(shipment_id=shipment.pk, actor=ASHA, now=self.driver.now)
            return str(shipment.pk)

        self.finish()
        self.model.pack(name, units)
        shipment_id = self.driver.do_once(pack_and_dispatch, trouble.kill, repeat=trouble.is_repeated)
        self.model.dispatch(name, units)
        self.parcels.append((name, shipment_id, units))
        self.finish(trouble)

    @step(index=PICK)
    def parcel_arrives(self, trouble: Trouble, index: int) -> None:
        name, shipment_id, units = self.pick(self.parcels, index)
        order = self.model.orders[name]
        if order.refunds or any(attempt.disputes for attempt in order.attempts.values()):
            raise Skipped
        self.driver.do_once(
            lambda: deliver_shipment(shipment_id=UUID(shipment_id), actor=ASHA, now=self.driver.now).pk,
            trouble.kill,
            repeat=trouble.is_repeated,
        )
        self.parcels.remove((name, shipment_id, units))
        self.model.arrive(name, units, safely=True)
        self.finish(trouble)

    # -- banks -----------------------------------------------------------------------------------------------------

    @step(index=PICK, is_half=st.booleans(), takes_now=st.booleans())
    def bank_disputes(self, trouble: Trouble, index: int, *, is_half: bool, takes_now: bool) -> None:
        captured_ones = [
            (name, gateway_id)
            for name, order in self.model.orders.items()
            for gateway_id, attempt in order.attempts.items()
            if order.refundable(attempt) >= 400
        ]
        name, gateway_id = self.pick(captured_ones, index)
        order = self.model.orders[name]
        left = order.refundable(order.attempts[gateway_id])
        amount = left // 2 if is_half else left
        facts = GatewayDispute(
            gateway="razorpay", id=self.truth.new_id("disp"), gateway_payment_id=gateway_id, status="open",
            phase="chargeback", amount=amount, amount_deducted=amount if takes_now else 0, currency="INR",
            reason_code="fraud", respond_by=None, created_at=self.driver.now,
        )  # fmt: skip
        self._report_dispute(facts, trouble.kill)
        self.model.dispute(facts.id, order.attempts[gateway_id], amount, deducted=facts.amount_deducted)
        self.disputes.append(facts)
        self.truth.disputes[facts.id] = facts
        self.finish()

    @step(index=PICK, status=st.sampled_from(["won", "lost"]))
    @precondition(lambda self: self.disputes)
    def bank_decides(self, trouble: Trouble, index: int, status: str) -> None:
        at = index % len(self.disputes)
        facts = self.disputes[at]
        taken = facts.amount if status == "lost" else 0
        decided = replace(facts, status=status, amount_deducted=taken)
        if self.truth.disputes[facts.id].status == "open":
            self.truth.disputes[facts.id] = decided
        for _ in range(2 if trouble.is_repeated else 1):
            self._report_dispute(decided, trouble.kill)
        dispute = next(
            attempt.disputes[facts.id]
            for order in self.model.orders.values()
            for attempt in order.attempts.values()
            if facts.id in attempt.disputes
        )
        self.model.close_dispute(facts.id, dispute, is_lost=status == "lost")
        self.finish()

    def _report_dispute(self, facts: GatewayDispute, kill: Kill | None) -> None:
        self.driver.do(
            lambda: dispute_updates.apply_gateway_dispute(
                facts=facts, source=Source.POLL, actor=SYSTEM, now=self.driver.now
            ),
            kill,
        )

    @step()
    def gateway_settles(self, trouble: Trouble) -> None:
        """The gateway transfers what it has captured and refunded since the last settlement, less its fees."""
        at = int(self.driver.now.timestamp())
        utr, rows, books = f"UTR{self.truth.numbers:09d}", [], Counter[str]()
        for order in self.model.orders.values():
            for gateway_id, attempt in order.attempts.items():
                if attempt.status == "captured" and gateway_id not in self.settled:
                    facts = captured(self.truth.payments[gateway_id])
                    fee, tax = facts.fee_amount or 0, facts.fee_tax_amount or 0
                    books.update(credited=facts.amount, fees=fee - tax, tax=tax)
                    row = {"amount": facts.amount, "credit": facts.amount - fee, "fee": fee, "tax": tax}
                    rows.append(line(gateway_id, **row))
        for facts in self.truth.refunds.values():
            _, refund = self.find_refund(facts.our_refund)
            if refund.status == "processed" and facts.status == "processed" and facts.id not in self.settled:
                books.update(debited=facts.amount)
                row = {"debit": facts.amount, "amount": facts.amount, "payment_id": facts.gateway_payment_id}
                rows.append(line(facts.id, "refund", **row))
        net = books["credited"] - books["debited"] - books["fees"] - books["tax"]
        if not rows or net <= 0:
            raise Skipped
        made = settlement(self.truth, amount=net, utr=utr, at=self.driver.now)
        for row in rows:
            row |= {"settlement_id": made.id, "settlement_utr": utr, "created_at": at - 60, "settled_at": at}
        report = as_csv(*rows)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(lambda: self._import(report), trouble.kill)
        self.settled |= {str(row["entity_id"]) for row in rows}
        self.model.books.settle(
            made.id, credited=books["credited"], debited=books["debited"], fees=books["fees"], tax_on_fees=books["tax"]
        )
        self.finish()

    @step(index=PICK, has_failed=st.booleans())
    def gateway_says_how_a_transfer_went(self, trouble: Trouble, index: int, *, has_failed: bool) -> None:
        """A transfer that was initiated fails, or is made again; either may be said twice."""
        made = self.pick(list(self.truth.settlements.values()), index)
        facts = self.truth.settlements[made.id] = replace(made, status="failed" if has_failed else "processed")
        row = Settlement.objects.get(gateway_settlement_id=made.id)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(
                lambda: transfers.record_transfer(settlement_id=row.pk, facts=facts, now=self.driver.now), trouble.kill
            )
        if (made.id in self.failed) != has_failed:
            self.transfers += 1
            self.model.books.return_transfer(self.transfers, made.amount if has_failed else -made.amount)
            (self.failed.add if has_failed else self.failed.discard)(made.id)
        self.finish(trouble)

    def _import(self, report: bytes) -> None:
        report_imports.import_settlement_file(
            stream=io.BytesIO(report), name="report.csv", actor=SYSTEM, now=self.driver.now
        )

    # -- comparison ------------------------------------------------------------------------------------------------

    @invariant()
    def product_is_as_the_model(self) -> None:
        if not self.rows:
            return
        for name, order in self.model.orders.items():
            row = OrderRow.objects.get(pk=self.rows[name].pk)
            refunds = Counter((refund.amount, refund.status) for refund in order.refunds)
            rows = self.driver.refunds(row.pk)
            same(row.status, order.status, f"status of {name}")
            statuses = {gateway_id: attempt.status for gateway_id, attempt in order.attempts.items()}
            same(self.driver.attempts(row.pk), statuses, f"attempts of {name}")
            same(Counter((one.amount, one.status) for one in rows), refunds, f"refunds of {name}")
            for attempt in PaymentAttempt.objects.filter(payment__order_id=row.pk, status="captured"):
                left = order.refundable(order.attempts[attempt.gateway_payment_id])
                same(refund_selectors.attempt_refundable_amount(attempt), left, f"refundable of {name}")
            if order.captured or order.status == "pending_payment":
                assert str(order_selectors.derive_order_payment_status(row)) == order.payment_status, name
        assert self.driver.stock() == {sku: (stock.on_hand, stock.reserved) for sku, stock in self.model.stock.items()}
        self._compare_books()

    def _compare_books(self) -> None:
        balances: Counter[Role] = Counter()
        codes = self.driver.balances()
        for code, balance in codes.items():
            role = ROLES.get(code) or ROLES.get(code.split(":")[0])
            assert role is not None, f"the product uses the account {code}, of which the model knows no role"
            balances[role] += balance
        ours = {role: balances[role] for role in Role}
        models = {role: self.model.books.balances[role] for role in Role}
        skipped = set() if self.driver.is_idle() else OF_DOCUMENTS
        for role in Role:
            if role not in skipped:
                same(ours[role], models[role], f"balance of {role.name}")
        due = sum(
            refund.amount
            for order in self.model.orders.values()
            for refund in order.refunds
            if refund.status in {"pending", "unknown", "awaiting_transfer"}
        )
        same(-codes.get("refunds_payable", 0), due, "refunds payable")

    def teardown(self) -> None:
        try:
            if self.rows and not self.stack_failed():
                self.truth.answer = "pending"
                for _ in range(2):
                    self.pass_a_day(CALM)
                    self.poll_refunds(CALM)
                    dispute_polling.poll_open_disputes(now=self.driver.now)
                self.product_is_as_the_model()
                self.check_documents()
                report = audit.run(now=self.driver.now)
                failing = [(one.invariant.id, one.rows[:3], one.error) for one in report.failing]
                assert not failing, f"the audit fails: {failing}"
        finally:
            self.stack.close()

    def stack_failed(self) -> bool:
        return sys.exc_info()[0] is not None

    def check_documents(self) -> None:
        """Each sale has one invoice of exactly the model's amounts; what was not sold has none."""
        for name, order in self.model.orders.items():
            invoices = list(Invoice.objects.filter(order_id=self.rows[name].pk).exclude(type="credit_note"))
            assert len(invoices) == int(order.invoiced), f"{len(invoices)} invoices of {name}"
            for invoice in invoices:
                said = Amounts(invoice.taxable_amount, invoice.cgst_amount, invoice.sgst_amount, invoice.igst_amount)
                assert said == order.document.sum, name
                assert (invoice.round_off_amount, invoice.total_amount) == (order.document.round_off, order.total), name


def same(ours: object, models: object, what: str) -> None:
    """Fail with both values unless product and model agree."""
    assert ours == models, f"{what}: the product has {ours}, the model {models}"


def webhook_of(facts: GatewayPayment) -> bytes:
    """Return the webhook of a fact as the gateway's account sends it."""
    entity = {
        "id": facts.id, "entity": "payment", "amount": facts.amount, "currency": facts.currency, "status": facts.status,
        "order_id": facts.order_id, "method": "upi", "notes": [], "fee": facts.fee_amount, "tax": facts.fee_tax_amount,
    }  # fmt: skip
    payload = {"payment": {"entity": entity}}
    return json.dumps({"entity": "event", "event": f"payment.{facts.status}", "payload": payload}).encode()


__all__ = ["Killed", "ShopMachine"]
