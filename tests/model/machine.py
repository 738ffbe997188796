"""
The state machine: it does the same to the product and to the model, and compares them after each step.

Its rules are what happens to a shop: buyers, staff, the gateway (in any order, twice, late), banks, workers that are
killed at a commit, and callers who repeat a request with the same key.
"""

import sys
from datetime import timedelta

from django.contrib.auth.models import Group
from django.core.management import call_command
from hypothesis import strategies as st
from hypothesis.stateful import initialize

from apps.core import audit
from apps.ledger.services import checkpoints
from apps.payments.services.disputes import polling as dispute_polling
from apps.settlements.services import receivables
from tests.factories.accounts import make_address, make_user
from tests.factories.catalog import make_registration, make_variant
from tests.model.banking import Banking
from tests.model.comparison import Comparison
from tests.model.dashboard import Dashboard
from tests.model.disputes import Disputing
from tests.model.order import Article
from tests.model.selling import Selling
from tests.model.shipping import Shipping
from tests.model.stage import CALM
from tests.support.colleagues import make_colleagues

#: sku: price in paise, rate in basis points, whether the price includes the tax, units on hand.
GOODS = {"KURTA": (49_950, 1800, False, 6), "SCARF": (3_333, 500, True, 8), "LAMP": (99_900, 1800, True, 3)}
#: What the audit says of staff and not of the product: that nobody has looked at a refund or an exception for a week.
LEFT_TO_STAFF = {"INV-10b", "INV-10c"}


class ShopMachine(Selling, Dashboard, Shipping, Disputing, Banking, Comparison):
    """All rules. An example begins with one order, which may be paid, and one unit of it sent."""

    @initialize(
        first=st.lists(st.integers(0, 2), min_size=3, max_size=3),
        is_at_home=st.booleans(),
        is_paid=st.booleans(),
        is_sent=st.booleans(),
    )
    def open_shop(self, first: list[int], *, is_at_home: bool, is_paid: bool, is_sent: bool = False) -> None:
        if not Group.objects.exists():
            call_command("setup_reference_data", verbosity=0)
        make_registration()
        make_colleagues()
        self.buyer = make_user(name="Asha Owner")
        self.addresses = {True: make_address(self.buyer, state="27"), False: make_address(self.buyer)}
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
            if is_sent:
                self.send(trouble=CALM, index=0, is_all=False)

    def teardown(self) -> None:
        try:
            if self.rows and not self.stack_failed():
                self.truth.answer = "pending"
                for _ in range(2):
                    self.pass_a_day(CALM)
                    self.poll_refunds(CALM)
                    dispute_polling.poll_open_disputes(now=self.driver.now)
                receivables.open_overdue_receivable_exceptions(now=self.driver.now)  # as the clock does each hour
                checkpoints.checkpoint_balances(now=self.driver.now)
                self.compare()
                self.check_documents()
                asked = [one.id for one in audit.list_invariants() if one.id not in LEFT_TO_STAFF]
                for since in (None, self.driver.now - timedelta(days=1)):
                    report = audit.run(now=self.driver.now, only=asked, since=since)
                    failing = [(one.invariant.id, one.rows[:3], one.error) for one in report.failing]
                    assert not failing, f"the audit{' of recent changes' if since else ''} fails: {failing}"
        finally:
            self.stack.close()

    def stack_failed(self) -> bool:
        return sys.exc_info()[0] is not None
