"""What follows a sale: parcels, disputes and settlements."""

import io
from collections import Counter
from dataclasses import replace
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from apps.core.events import SYSTEM
from apps.fulfilment.services import (
    ShipmentLineInput,
    create_shipment,
    deliver_shipment,
    dispatch_shipment,
    pack_shipment,
)
from apps.orders import selectors as order_selectors
from apps.payments.facts import GatewayDispute
from apps.payments.services.disputes import gateway_updates as dispute_updates
from apps.payments.states import Source
from apps.settlements.models import Settlement
from apps.settlements.services import report_imports, transfers
from tests.model.driver import Kill
from tests.model.gateway import captured, settlement
from tests.model.stage import PICK, Skipped, Stage, Trouble, step
from tests.support.colleagues import ASHA
from tests.support.settlements import as_csv, line


class AfterSale(Stage):
    """The rules about parcels, banks and the gateway's transfers."""

    @step(index=PICK, is_all=st.booleans())
    @precondition(lambda self: self.has_order("confirmed", "in_fulfilment"))
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
    @precondition(lambda self: self.parcels)
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

    @step(index=PICK, is_half=st.booleans(), takes_now=st.booleans())
    @precondition(lambda self: self.has_captured())
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
        # The report of a won dispute may still say what was deducted: it comes back whatever it says.
        taken = facts.amount if status == "lost" else facts.amount_deducted
        decided = replace(facts, status=status, amount_deducted=taken)
        if self.truth.disputes[facts.id].status == "open":
            self.truth.disputes[facts.id] = decided
        dispute = next(
            attempt.disputes[facts.id]
            for order in self.model.orders.values()
            for attempt in order.attempts.values()
            if facts.id in attempt.disputes
        )
        is_contradiction = dispute.status not in {"open", status}
        for _ in range(2 if trouble.is_repeated else 1):
            try:
                self._report_dispute(decided, trouble.kill)
            except dispute_updates.DisputeFactsConflict:
                assert is_contradiction, "the product refuses how a dispute was decided"
            else:
                assert not is_contradiction, "the product takes another end of a decided dispute"
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
    @precondition(lambda self: self.has_captured())
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
        for made in self.truth.refunds.values():
            _, refund = self.find_refund(made.our_refund)
            if refund.status == "processed" and made.status == "processed" and made.id not in self.settled:
                books.update(debited=made.amount)
                taken = {"debit": made.amount, "amount": made.amount, "payment_id": made.gateway_payment_id}
                rows.append(line(made.id, "refund", **taken))
        net = books["credited"] - books["debited"] - books["fees"] - books["tax"]
        if not rows or net <= 0:
            raise Skipped
        transfer = settlement(self.truth, amount=net, utr=utr, at=self.driver.now)
        for row in rows:
            row |= {"settlement_id": transfer.id, "settlement_utr": utr, "created_at": at - 60, "settled_at": at}
        report = as_csv(*rows)
        for _ in range(2 if trouble.is_repeated else 1):
            self.driver.do(lambda: self._import(report), trouble.kill)
        self.settled |= {str(row["entity_id"]) for row in rows}
        self.model.books.settle(
            transfer.id,
            credited=books["credited"],
            debited=books["debited"],
            fees=books["fees"],
            tax_on_fees=books["tax"],
        )
        self.finish()

    @step(index=PICK, has_failed=st.booleans())
    @precondition(lambda self: self.truth.settlements)
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
