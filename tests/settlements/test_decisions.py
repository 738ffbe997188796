"""Who decides about which exception, and what explains the difference of a settlement."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.ledger.services import resolvers
from apps.ledger.states import ExceptionReason
from apps.payments.models import Refund
from apps.settlements import locks, rules
from apps.settlements.sql import receivables
from tests.factories.orders import make_order
from tests.factories.payments import apply_refund, make_refund


def test_each_reason_is_resolved_by_what_knows_its_money() -> None:
    by_name: dict[str, set[str]] = {}
    for reason in ExceptionReason.values:
        by_name.setdefault(type(resolvers.get_resolver(reason)).__name__, set()).add(reason)

    assert by_name.pop("HeldAmountResolver") == {
        "unknown_payment", "amount_mismatch", "fee_mismatch", "credit_mismatch", "duplicated_line", "sum_mismatch",
        "unknown_adjustment", "unknown_kind",
    }  # fmt: skip
    assert by_name.pop("BankLineResolver") == {
        "bank_line_unknown", "bank_line_repeated", "bank_amount_mismatch", "failed_settlement_banked",
    }  # fmt: skip
    assert by_name.pop("MissingLineResolver") == {"missing_line"}
    assert by_name.pop("OverdueReceivableResolver") == {"receivable_overdue"}
    assert by_name.pop("FailedSettlementResolver") == {"settlement_failed"}
    assert by_name.pop("OverdueTransferResolver") == {"transfer_overdue"}
    assert by_name.pop("FeeClaimResolver") == {"fee_overcharged"}
    assert by_name.pop("NotImportedResolver") == {"settlements_not_imported"}
    assert set().union(*by_name.values()) == {
        "refund_exceeds_payment", "unexpected_refund", "dispute_exceeds_payment", "currency_mismatch", "account_mismatch",
        "contradictory_facts", "unreadable_facts", "webhook_failed",
    }  # fmt: skip


@pytest.mark.parametrize(("most", "found"), [(2, ()), (3, (0, 1)), (4, (0, 1))])
def test_sums_are_tried_as_far_as_the_budget_goes(
    monkeypatch: pytest.MonkeyPatch, most: int, found: tuple[int, ...]
) -> None:
    """Two amounts have two sums of one, and one of two."""
    monkeypatch.setattr("apps.settlements.rules._MAX_SUMS", most)

    assert rules.find_subset_sum(30, [10, 20]) == found


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "is_found"), [(-1, False), (0, True), (1, True)])
def test_a_refund_counts_as_unsettled_up_to_the_last_instant(
    owner: Any, shop: Any, seconds: int, is_found: bool
) -> None:
    refund = apply_refund(make_refund(make_order(owner), is_approved=True))
    at = Refund.objects.get(pk=refund.pk).processed_at
    assert at is not None

    found = receivables.list_unsettled_refunds(
        gateway="razorpay", since=at - timedelta(days=1), until=at + timedelta(seconds=seconds), limit=9
    )

    assert found == ([refund.pk] if is_found else [])


@pytest.mark.django_db(transaction=True)
def test_only_the_wait_for_other_bookers_has_no_time_limit() -> None:
    def limit() -> Any:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            return cursor.fetchone()

    with transaction.atomic():
        before = limit()
        locks.lock_line_booking()

        assert limit() == before
