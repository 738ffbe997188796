"""
What the rules of the machine share: one example of product and model side by side, and what goes wrong with a step.

A rule lives in the module of its subject, and `machine.py` puts them together.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from apps.core.errors import BahiError
from apps.invoicing.models import Invoice, InvoiceLine
from apps.orders.models import Order as OrderRow
from apps.payments.facts import GatewayDispute, GatewayPayment
from tests.model.driver import APPROVAL_THRESHOLD, Commits, Driver, Kill, model_settings
from tests.model.gateway import ANSWERS, ModelGateway, Truth
from tests.model.order import Order, Refund, Refused
from tests.model.shop import Shop
from tests.model.tax import Amounts
from tests.support.transactions import open_around_services


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
        def run(self: "Stage", trouble: Trouble, **drawn: Any) -> None:
            self.truth.answer = trouble.answer
            with suppress(Skipped):
                method(self, trouble, **drawn)
                self.is_compared = False

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


class Stage(RuleBasedStateMachine):
    """One example: a shop that begins with goods on hand and no order."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.commits = Commits()
        self.stack.enter_context(model_settings())
        self.example = open_around_services()
        self.example.__enter__()
        self.stack.callback(self._roll_back)
        with connection.cursor() as cursor:
            # An example is one long transaction, and a machine may be busy; no production limit is tested here.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0; SET LOCAL statement_timeout = 0")
        self.stack.enter_context(self.commits.watched())
        self.truth = ModelGateway.truth = Truth()
        self.driver = Driver(self.commits)
        self.model = Shop(approval_above=APPROVAL_THRESHOLD, invoices_at_dispatch=settings.INVOICE_AT == "dispatch")
        self.rows: dict[str, OrderRow] = {}
        self.gateway_orders: dict[str, str] = {}
        self.said: list[GatewayPayment] = []
        self.arriving: list[GatewayPayment] = []
        self.owner: dict[str, str] = {}
        self.disputes: list[GatewayDispute] = []
        self.settled: set[str] = set()
        self.noted: set[str] = set()
        self.statements: list[Any] = []
        self.transferred: list[Refund] = []
        self.buyer: Any = None
        self.addresses: dict[bool, Any] = {}
        self.variants: dict[str, Any] = {}
        self.days = self.dashboard_refunds = 0
        self.is_compared = True
        self.commits.arm(None)

    def _roll_back(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

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

    def has_order(self, *statuses: str) -> bool:
        return any(order.status in statuses for order in self.model.orders.values())

    def has_captured(self) -> bool:
        return any(order.captured for order in self.model.orders.values())

    def has_refund(self, *statuses: str) -> bool:
        return any(one.status in statuses for order in self.model.orders.values() for one in order.refunds)

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
        for name, order in self.model.orders.items():
            self.model.issue_invoice(order)
            self.model.complete_if_done(name)
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
            _, refund = self.find_refund(ours)
            refund.sent = True
            self.apply_to_model(refund, status)

    def find_refund(self, key: str) -> tuple[Order, Refund]:
        """Find a refund by our id, or by the gateway's if it was made on its dashboard."""
        self.bind_refunds()
        for order in self.model.orders.values():
            for refund in order.refunds:
                if key in {refund.id, refund.gateway_id}:
                    return order, refund
        raise AssertionError(f"the gateway was asked for the refund {key}, which the model does not know")

    def apply_to_model(self, refund: Refund, status: str) -> None:
        if status == "processed":
            self.model.process_refund(refund)
        elif refund.status in {"pending", "unknown"}:
            if status == "failed":
                self.model.fail_refund(refund)
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
                if order.invoiced or order.status == "cancelled":
                    # Of what is not invoiced yet the note comes with the invoice.
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


def same(ours: object, models: object, what: str) -> None:
    """Fail with both values unless product and model agree."""
    assert ours == models, f"{what}: the product has {ours}, the model {models}"
