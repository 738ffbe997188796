"""The door of the ledger: zero-sum, once for a fact, and balances that stay quick to read."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.core import clock
from apps.payments import selectors, services
from apps.payments.models import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction
from apps.payments.selectors import AccountNotFound
from tests.factories.catalog import make_registration

pytestmark = pytest.mark.django_db

RECEIVABLE, ADVANCES = "gateway_receivable:razorpay", "customer_advances"


@pytest.fixture(autouse=True)
def _chart(reference_data: None) -> None:
    services.set_up_reference_data(now=clock.now())


def post(entries: dict[str, int], *, source_id: UUID | None = None, **fields: Any) -> LedgerTransaction:
    return services.post_to_ledger(
        **{
            "source_type": "test", "source_id": source_id or uuid4(), "kind": "capture", "order_id": None,
            "entries": entries, "description": "a test", "occurred_at": clock.now(), **fields,
        }
    )  # fmt: skip


def test_a_posting_has_its_entries_and_zeros_are_left_out() -> None:
    posting = post({RECEIVABLE: 117_900, ADVANCES: -117_900, "round_off": 0})
    assert {entry.account_id: entry.amount for entry in posting.entries.all()} == {
        RECEIVABLE: 117_900, ADVANCES: -117_900,
    }  # fmt: skip
    connection.check_constraints()


def test_a_fact_is_posted_once() -> None:
    source_id = uuid4()
    first = post({RECEIVABLE: 5, ADVANCES: -5}, source_id=source_id)
    assert post({RECEIVABLE: 5, ADVANCES: -5}, source_id=source_id) == first
    assert (LedgerTransaction.objects.count(), LedgerEntry.objects.count()) == (1, 2)
    assert post({RECEIVABLE: 5, ADVANCES: -5}, source_id=source_id, kind="fee") != first


def test_a_fact_cannot_be_posted_again_with_other_entries() -> None:
    source_id = uuid4()
    post({RECEIVABLE: 5, ADVANCES: -5}, source_id=source_id)
    with pytest.raises(services.PostingConflict):
        post({RECEIVABLE: 6, ADVANCES: -6}, source_id=source_id)
    assert selectors.balance_of(RECEIVABLE) == 5


@pytest.mark.parametrize(
    ("entries", "refusal"),
    [
        ({RECEIVABLE: 5, ADVANCES: -4}, services.UnbalancedPosting),
        ({}, services.EmptyPosting),
        ({RECEIVABLE: 0, ADVANCES: 0}, services.EmptyPosting),
        ({RECEIVABLE: 5, "nowhere": -5}, AccountNotFound),
    ],
)
def test_what_is_no_posting_is_refused_and_leaves_nothing(entries: dict[str, int], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        post(entries)
    assert LedgerTransaction.objects.count() == 0


def test_the_database_itself_refuses_a_posting_that_does_not_sum_to_zero() -> None:
    with pytest.raises(IntegrityError, match="does not sum to zero"), transaction.atomic():
        posting = LedgerTransaction.objects.create(
            source_type="test", source_id=uuid4(), kind="capture", description="crooked", occurred_at=clock.now()
        )
        LedgerEntry.objects.create(transaction=posting, account_id=RECEIVABLE, amount=100)
        LedgerEntry.objects.create(transaction=posting, account_id=ADVANCES, amount=-99)
        connection.check_constraints()


def test_the_database_itself_refuses_to_change_the_books() -> None:
    posting = post({RECEIVABLE: 5, ADVANCES: -5})
    for change in (
        lambda: LedgerEntry.objects.filter(transaction=posting).update(amount=7),
        lambda: LedgerEntry.objects.filter(transaction=posting).delete(),
        lambda: LedgerTransaction.objects.filter(pk=posting.pk).update(description="nothing to see"),
        lambda: LedgerTransaction.objects.filter(pk=posting.pk)._raw_delete("default"),
    ):
        with pytest.raises(DatabaseError, match="Cannot update or delete"), transaction.atomic():
            change()
            connection.check_constraints()
    assert selectors.balance_of(RECEIVABLE) == 5


def test_a_registration_gets_its_accounts_once() -> None:
    registration = make_registration()
    codes = services.account_codes_for(registration)
    assert (codes.sales, codes.output_igst) == ("sales:27AAPFU0939F1ZV", "output_igst:27AAPFU0939F1ZV")
    assert services.open_registration_accounts(registration_id=registration.pk, now=clock.now()) == codes
    assert Account.objects.filter(registration=registration).count() == 5


def test_reference_data_may_be_made_again() -> None:
    before = Account.objects.count()
    services.set_up_reference_data(now=clock.now())
    assert Account.objects.count() == before == 13


def test_a_balance_is_the_checkpoint_and_what_came_after() -> None:
    post({RECEIVABLE: 100, ADVANCES: -100})
    assert services.checkpoint_balances(now=clock.now()) == 2
    post({RECEIVABLE: 30, ADVANCES: -30})
    assert selectors.balance_of(RECEIVABLE) == 130
    assert services.checkpoint_balances(now=clock.now()) == 2
    assert services.checkpoint_balances(now=clock.now()) == 0
    assert list(BalanceCheckpoint.objects.filter(account_id=RECEIVABLE).order_by("id").values_list("balance", flat=True)) == [
        100, 130,
    ]  # fmt: skip
    assert selectors.balance_of(RECEIVABLE) == 130
    assert sum(balance.amount for balance in selectors.list_balances()) == 0


def test_reading_a_balance_after_a_checkpoint_reads_only_what_came_after(count_queries: Any) -> None:
    post({RECEIVABLE: 100, ADVANCES: -100})
    services.checkpoint_balances(now=clock.now())
    with count_queries() as queries:
        selectors.balance_of(RECEIVABLE)
    assert len(queries) == 3
    assert '"id" >' in queries[-1]["sql"]


def test_there_is_no_balance_of_an_account_that_does_not_exist() -> None:
    with pytest.raises(AccountNotFound):
        selectors.balance_of("nowhere")


def test_currencies_are_kept_apart() -> None:
    post({RECEIVABLE: 100, ADVANCES: -100}, currency="USD")
    assert selectors.balance_of(RECEIVABLE) == 0
    assert selectors.balance_of(RECEIVABLE, currency="USD") == 100
