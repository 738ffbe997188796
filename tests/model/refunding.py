"""Refunds: requested, decided, sent, reported, retried and paid by bank transfer."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.errors import BahiError
from apps.core.events import SYSTEM, Actor
from apps.orders import selectors as order_selectors
from apps.payments.facts import GatewayRefund
from apps.payments.services.refunds import approvals, bank_transfers, gateway_updates, requests, submission
from apps.payments.services.refunds.amounts import RefundLineInput
from tests.factories.orders import actor_for
from tests.model.arithmetic import rounded
from tests.model.driver import APPROVAL_THRESHOLD
from tests.model.gateway import key_of
from tests.model.order import Order, Refund, can_refund
from tests.model.stage import DAY, PICK, Skipped, Stage, Trouble, step
from tests.support.colleagues import ASHA, BALA, CHITRA, DEEPA

WITH_MONEY = ("confirmed", "on_hold", "in_fulfilment", "completed", "cancelled", "expired")
SOLD = WITH_MONEY[:4]


class Refunding(Stage):
    """The rules about refunds."""

    @step(
        index=PICK,
        how=st.sampled_from(["99", "100", "12345", "half", "all but little", "all", "too much"]),
        who=st.sampled_from(["buyer", "support", "finance"]),
    )
    @precondition(lambda self: self.has_captured())
    def request_refund(self, trouble: Trouble, index: int, how: str, who: str) -> None:
        name = self.pick_order(index, *WITH_MONEY)
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
    @precondition(lambda self: self.has_captured())
    def request_all(self, trouble: Trouble, index: int, who: str) -> None:
        name = self.pick_order(index, *WITH_MONEY)
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
        reason=st.sampled_from(["goods_returned", "goods_missing", "customer_request"]),
    )
    @precondition(lambda self: self.has_order(*SOLD))
    def return_units(
        self, trouble: Trouble, index: int, units: list[int], who: str, reason: str = "goods_returned"
    ) -> None:
        name = self.pick_order(index, *SOLD)
        order = self.model.orders[name]
        wanted = {at: count for at, count in zip(range(len(order.lines)), units, strict=False) if count}
        if not wanted:
            raise Skipped
        line_ids = order_selectors.list_line_ids(self.rows[name].pk)
        skus = {row.pk: row.sku for row in order_selectors.list_lines(self.rows[name].pk)}
        by_sku = {skus[line_id]: line_id for line_id in line_ids}
        inputs = [RefundLineInput(by_sku[order.lines[at].article.sku], count) for at, count in wanted.items()]
        has_units = all(order.units_left(at) >= n for at, n in wanted.items())
        is_first = not any(one.counts for one in order.refunds) and not any(one.kept for one in order.attempts.values())
        self._request(
            name,
            lambda: requests.request_refund_by_lines(
                order_id=self.rows[name].pk, lines=inputs, reason=reason, actor=self.actor(who),
                now=self.driver.now,
            ),
            who=who, amount=None, is_refused=None if has_units else True, trouble=trouble,
            units=wanted, expected=self._worth(order, wanted) if is_first else None,
            reason=reason,
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
        reason: str = "",
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
                name, row.gateway_payment_id, row.amount, is_approver=who == "finance", units=units,
                reason=reason,
            )  # fmt: skip
            refund.id, refund.decided_alone = row.public_id, alone
            refund.status = "pending" if alone else "requires_approval"
        self.finish(trouble)

    @step(index=PICK, decision=st.sampled_from(["approve", "approve", "reject", "cancel"]))
    @precondition(lambda self: self.has_refund("requires_approval", "pending", "awaiting_transfer", "processed"))
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
    @precondition(lambda self: self.truth.refunds)
    def refund_is_reported(self, trouble: Trouble, index: int, status: str) -> None:
        """The gateway's refund goes on, or an old report of it arrives."""
        facts: GatewayRefund = self.pick(list(self.truth.refunds.values()), index)
        if facts.status == "pending":
            self.truth.refunds[facts.id] = facts = replace(facts, status=status)
        elif status == "pending":
            facts = replace(facts, status=status)
        try:
            self.driver.do(
                lambda: gateway_updates.apply_gateway_refund(facts=facts, actor=SYSTEM, now=self.driver.now),
                trouble.kill,
            )
        except gateway_updates.RefundFactsConflict:
            # An old report of a refund that has failed since then, and of which we had no answer: its money went another way
            # meanwhile. The contradiction is an exception for staff, and changes nothing.
            assert (facts.status, self.truth.refunds[facts.id].status) == ("pending", "failed")
            self.finish(trouble)
            return
        _, refund = self.find_refund(key_of(facts))
        refund.sent = True
        self.apply_to_model(refund, facts.status)
        self.finish(trouble)

    @step()
    @precondition(lambda self: self.has_refund("pending", "unknown"))
    def refunds_are_polled(self, trouble: Trouble) -> None:
        self.finish()
        self.driver.wait(DAY)
        self.poll_refunds(trouble)

    def poll_refunds(self, trouble: Trouble) -> None:
        self.driver.do(lambda: submission.poll_open_refunds(now=self.driver.now), trouble.kill)
        self.read_gateway_log()
        self.finish()

    @step(index=PICK)
    @precondition(lambda self: self.has_refund("failed"))
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
    @precondition(lambda self: self.has_refund("failed", "awaiting_transfer", "processed"))
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
    @precondition(lambda self: self.has_refund("awaiting_transfer"))
    def confirm_transfer(self, trouble: Trouble, index: int) -> None:
        _, refund = self.pick_refund(index, "awaiting_transfer")
        pk = self.pk_of(refund)
        self.both(
            lambda: self.driver.do_once(
                lambda: (
                    bank_transfers.confirm_refund_transfer(
                        refund_id=pk, reference=self.reference(refund), actor=CHITRA, now=self.driver.now
                    ).pk
                ),
                trouble.kill,
            ),
            lambda: self.model.transfer_refund(refund),
        )
        self.finish(trouble)
        if refund.status == "processed":
            self.transferred.append(refund)

    @staticmethod
    def reference(refund: Refund) -> str:
        return f"UTR {refund.id}"
