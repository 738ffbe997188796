"""What is compared: after each step states, stock and balances, at the end the documents too."""

from collections import Counter

from hypothesis.stateful import invariant

from apps.invoicing.models import Invoice
from apps.orders import selectors as order_selectors
from apps.orders.models import Order as OrderRow
from apps.payments.models import PaymentAttempt
from apps.payments.selectors import refund_sums
from tests.model.books import Role
from tests.model.stage import Stage, same
from tests.model.tax import Amounts

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
    "bank_charges": Role.BANK_CHARGES,
    "disputes": Role.DISPUTES,
    "dispute_losses": Role.DISPUTES,
    "suspense": Role.SUSPENSE,
}
#: What documents move is compared only once the workers have issued them.
OF_DOCUMENTS = {Role.CUSTOMERS, Role.SALES, Role.CGST, Role.SGST, Role.IGST, Role.ROUND_OFF}


class Comparison(Stage):
    """Compares product and model."""

    @invariant()
    def product_is_as_the_model(self) -> None:
        if not self.is_compared:
            self.compare()
            self.is_compared = True

    def compare(self) -> None:
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
                same(refund_sums.attempt_refundable_amount(attempt), left, f"refundable of {name}")
            if order.captured or order.status == "pending_payment":
                assert str(order_selectors.derive_order_payment_status(row)) == order.payment_status, name
        stock = {sku: (stock.on_hand, stock.reserved) for sku, stock in self.model.stock.items()}
        same(self.driver.stock(), stock, "stock")
        if self.model.parcels:
            parcels = {shipment_id: parcel.status for shipment_id, parcel in self.model.parcels.items()}
            same(self.driver.parcels(), parcels, "parcels")
        if self.model.transfers:
            transfers = {utr: transfer.status for utr, transfer in self.model.transfers.items()}
            same(self.driver.transfers(), transfers, "transfers")
        assert not self.truth.fouls, self.truth.fouls
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

    def check_documents(self) -> None:
        """Each sale has one invoice of exactly the model's amounts; what was not sold has none."""
        for name, order in self.model.orders.items():
            invoices = list(Invoice.objects.filter(order_id=self.rows[name].pk).exclude(type="credit_note"))
            assert len(invoices) == int(order.invoiced), f"{len(invoices)} invoices of {name}"
            for invoice in invoices:
                said = Amounts(invoice.taxable_amount, invoice.cgst_amount, invoice.sgst_amount, invoice.igst_amount)
                assert said == order.document.sum, name
                assert (invoice.round_off_amount, invoice.total_amount) == (order.document.round_off, order.total), name
