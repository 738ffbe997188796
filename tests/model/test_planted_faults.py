"""
Faults of the product that the machine must notice, each by the comparison that is meant for it.

Each is planted from outside. A short history of the machine's own rules leads to it, and passes without the fault: so
it is the fault that the comparison notices. Whether made-up histories get there is not tested here.
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest

from apps.catalog import services as catalog
from apps.core.external_calls import GatewayCall
from apps.fulfilment import rules as fulfilment_rules
from apps.fulfilment.services import dispatch
from apps.orders import states as order_states
from apps.payments import selectors as payment_selectors
from apps.payments import states
from apps.payments.selectors import refund_sums
from apps.payments.services import attempts, late_payments
from apps.payments.services.disputes import gateway_updates as disputes
from apps.payments.services.refunds import gateway_updates, requests, submission
from apps.settlements.services import bank_lines, bank_statements
from tests.model import driver
from tests.model.machine import ShopMachine
from tests.model.stage import CALM

patched = mock.patch.object


def wrong_account() -> AbstractContextManager[Any]:
    """A capture is booked as the payer's fee."""
    return patched(attempts, "CUSTOMER_ADVANCES", "payer_fees")


@contextmanager
def doubled_posting() -> Iterator[None]:
    """A refund that falls due is posted twice."""
    post = requests.post_refund_due

    def twice(order: Any, refund: Any, *, kind: str, now: Any) -> None:
        post(order, refund, kind=kind, now=now)
        post(order, refund, kind=f"{kind}_again", now=now)

    with patched(requests, "post_refund_due", twice):
        yield


def forgotten_release() -> AbstractContextManager[Any]:
    """A cancelled or expired order keeps its stock."""
    return patched(catalog, "release_reservations", return_value=[])


@contextmanager
def lost_event() -> Iterator[None]:
    """Nobody hears that a refund was processed, so that no credit note is issued."""
    chosen = driver.subscriptions

    def without() -> dict[str, Any]:
        return {name: () if name == "payments.refund.processed" else group for name, group in chosen().items()}

    with patched(driver, "subscriptions", without):
        yield


def late_money_kept() -> AbstractContextManager[Any]:
    """Money that nothing was sold for is kept."""
    return patched(late_payments, "refund_attempt", return_value=None)


def never_revived() -> AbstractContextManager[Any]:
    """An order that was paid late is refunded although its goods are there."""
    return patched(late_payments, "revive_expired_order", return_value=False)


def split_limit() -> AbstractContextManager[Any]:
    """What one person decided before does not count against the limit."""
    return patched(refund_sums, "sum_decided_alone", return_value=0)


def unknown_money_free() -> AbstractContextManager[Any]:
    """A refund without an answer leaves its money to be refunded again."""
    statuses = tuple(one for one in states.RESERVING_REFUNDS if one != states.RefundStatus.UNKNOWN)
    return patched(refund_sums, "attempt_reserved_amount", lambda one: refund_sums._sum_of_attempt(one, statuses))


@contextmanager
def new_key_each_time() -> Iterator[None]:
    """A refund whose answer was lost is sent again under another key, without looking it up."""
    create = submission._create

    def blindly(gateway: Any, refund: Any) -> Any:
        if refund.gateway_call == GatewayCall.UNKNOWN:
            refund.idempotency_key = f"{refund.idempotency_key}-again"
        with patched(submission, "find_gateway_refund", return_value=None):
            return create(gateway, refund)

    with patched(submission, "_create", blindly):
        yield


def won_dispute_not_returned() -> AbstractContextManager[Any]:
    """What a bank gives back after a won dispute is not booked."""
    return patched(disputes, "_RETURNED", ())


def held_order_sent() -> AbstractContextManager[Any]:
    """An order on hold is packed as any other."""
    return patched(fulfilment_rules, "SHIPPABLE", (*order_states.SHIPPABLE, order_states.OrderStatus.ON_HOLD))


def disputed_goods_sent() -> AbstractContextManager[Any]:
    """A parcel leaves although a bank wants its money back."""
    return patched(payment_selectors, "is_order_disputed", return_value=False)


def refunded_units_sent() -> AbstractContextManager[Any]:
    """Units are sent whose money was refunded."""
    return patched(payment_selectors, "sum_refunded_units", return_value={})


def lost_goods_count() -> AbstractContextManager[Any]:
    """An order is completed although its parcel was lost and nothing was refunded."""
    return patched(fulfilment_rules, "is_line_done", return_value=True)


def sent_without_invoice() -> AbstractContextManager[Any]:
    """Goods leave with INVOICE_AT=dispatch, and nothing is invoiced."""
    return patched(dispatch, "issue_invoices", return_value=[])


def any_amount_banked() -> AbstractContextManager[Any]:
    """A line of the bank with a settlement's UTR banks it, whatever its amount."""
    match = bank_lines._match_settlement

    def blindly(line: Any, named: Any) -> Any:
        with patched(bank_lines, "expected_amount", return_value=line.amount):
            return match(line, named)

    return patched(bank_lines, "_match_settlement", blindly)


def line_booked_again() -> AbstractContextManager[Any]:
    """A line that a second file repeats is booked a second time."""
    return patched(bank_statements, "Counter", lambda: defaultdict(lambda: random.getrandbits(30)))


def spent_money_promised() -> AbstractContextManager[Any]:
    """A refund stays decided although somebody has refunded its money on the gateway's dashboard."""
    return patched(gateway_updates, "cancel_uncovered_refunds", return_value=None)


History = list[tuple[str, dict[str, Any]]]


def shop(*first: int, is_paid: bool = True, is_at_home: bool = True) -> tuple[str, dict[str, Any]]:
    """Begin with an order of so many kurtas, scarves and lamps."""
    return "open_shop", {"first": list(first), "is_at_home": is_at_home, "is_paid": is_paid}


def refund(how: str, answer: str = "pending") -> tuple[str, dict[str, Any]]:
    """Let finance refund a part of the first order; the gateway answers so."""
    return "request_refund", {"index": 0, "how": how, "who": "finance", "trouble": replace(CALM, answer=answer)}


def paid(status: str) -> tuple[str, dict[str, Any]]:
    return "pay", {"index": 0, "status": status}


def sent(until: str = "dispatched") -> tuple[str, dict[str, Any]]:
    """Let staff pack and send all of the first order."""
    return "send", {"index": 0, "is_all": True, "until": until}


def disputed() -> tuple[str, dict[str, Any]]:
    return "bank_disputes", {"index": 0, "is_half": False, "takes_now": True}


def banked(other: int = 0, **trouble: bool) -> tuple[str, dict[str, Any]]:
    """Let the bank's statement show the settlement, or so many paise more."""
    return "bank_shows_a_settlement", {"index": 0, "other": other, "trouble": replace(CALM, **trouble)}


def reported(back: int = 0) -> tuple[str, dict[str, Any]]:
    """Let what the gateway said last arrive, or what it said so many times before."""
    return "gateway_reports", {"index": back, "by_webhook": True}


#: The fault, a history that leads to it, and how the machine says so.
FAULTS: list[tuple[Callable[[], AbstractContextManager[Any]], History, str]] = [
    (wrong_account, [shop(1, 0, 0)], "the product uses the account payer_fees"),
    (doubled_posting, [shop(1, 0, 0), refund("all")], "refunds payable"),
    (forgotten_release, [shop(1, 0, 0, is_paid=False), ("cancel", {"index": 0, "by_buyer": True})], "stock"),
    (lost_event, [shop(1, 0, 0), refund("all", "processed")], "0 credit notes of a refund, due: True"),
    (
        late_money_kept,
        [shop(1, 0, 0, is_paid=False), paid("captured"), paid("captured"), reported(), reported(1)],
        "refunds of order 1",
    ),
    (
        never_revived,
        [shop(1, 0, 0, is_paid=False), ("a_day_passes", {}), paid("captured"), reported()],
        "the gateway was asked for the refund",
    ),
    (split_limit, [shop(0, 0, 2), refund("half"), refund("all")], "refunds of order 1"),
    (unknown_money_free, [shop(1, 0, 0), refund("half", "call_lost")], "refundable of order 1"),
    (new_key_each_time, [shop(1, 0, 0), refund("half", "answer_lost"), ("refunds_are_polled", {})], "asked twice"),
    (
        won_dispute_not_returned,
        [
            shop(1, 0, 0),
            disputed(),
            ("bank_decides", {"index": 0, "status": "won"}),
        ],
        "balance of GATEWAY",
    ),
    (
        held_order_sent,
        [shop(1, 0, 0), ("hold_or_release", {"index": 0, "is_release": False, "reason": "Why"}), sent()],
        "the product does what the pages refuse",
    ),
    (
        disputed_goods_sent,
        [shop(1, 0, 0), sent("packed"), disputed(), ("parcel_leaves", {"index": 0, "has_reason": False})],
        "the product does what the pages refuse",
    ),
    (
        refunded_units_sent,
        [
            shop(2, 0, 0),
            ("return_units", {"index": 0, "units": [1, 0, 0], "who": "finance", "reason": "customer_request"}),
            sent(),
        ],
        "the product does what the pages refuse",
    ),
    (lost_goods_count, [shop(1, 0, 0), sent(), ("parcel_arrives", {"index": 0, "how": "lost"})], "status of order 1"),
    (sent_without_invoice, [shop(1, 0, 0), sent()], "balance of CUSTOMERS"),
    (any_amount_banked, [shop(1, 0, 0), ("gateway_settles", {}), banked(other=1)], "transfers"),
    (line_booked_again, [shop(1, 0, 0), ("gateway_settles", {}), banked(), banked(other=1, is_late=True)], "BANK"),
    (
        spent_money_promised,
        [
            shop(1, 0, 0),
            ("request_all", {"index": 0, "who": "finance", "trouble": replace(CALM, is_late=True)}),
            (
                "refund_is_made_on_the_dashboard",
                {"index": 0, "how": "what others wait for", "status": "processed", "by_webhook": False},
            ),
        ],
        "asked to refund more than was captured",
    ),
]
#: What goes wrong only where an order is invoiced at its first dispatch.
AT_DISPATCH = {sent_without_invoice}


def play(history: History) -> None:
    """Do the steps of a history, comparing after each, and end as every example of the machine does."""
    machine = ShopMachine()
    try:
        for name, drawn in history:
            getattr(machine, name)(**(drawn if name == "open_shop" else {"trouble": CALM, **drawn}))
            machine.compare()
    except BaseException:
        machine.stack.close()
        raise
    machine.teardown()


@pytest.mark.parametrize(("plant", "history", "says"), FAULTS, ids=[fault[0].__name__ for fault in FAULTS])
def test_a_planted_fault_is_noticed(
    plant: Callable[[], AbstractContextManager[Any]], history: History, says: str, settings: Any, db: None
) -> None:
    settings.INVOICE_AT = "dispatch" if plant in AT_DISPATCH else "payment"

    play(history)

    with plant(), pytest.raises(AssertionError, match=re.escape(says)):
        play(history)
