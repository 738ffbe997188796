"""The door of the ledger: zero-sum, once for a fact, and balances that stay quick to read."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import DatabaseError, IntegrityError, connection, transaction

from apps.core import clock
from apps.core.models import Event, Outbox
from apps.invoicing.services import ledger_accounts
from apps.ledger import selectors as ledger
from apps.ledger import services as ledger_services
from apps.ledger.models import Account, BalanceCheckpoint, LedgerEntry, LedgerTransaction, ReconciliationException
from apps.ledger.services import NewException, NewPosting, checkpoints, postings
from apps.ledger.services.postings import AccountNotFound
from apps.ledger.states import ExceptionReason
from tests.factories.catalog import make_registration

pytestmark = pytest.mark.django_db

RECEIVABLE, ADVANCES = "gateway_receivable:razorpay", "customer_advances"


@pytest.fixture(autouse=True, params=["orm", "sql"])
def _chart(reference_data: None, settings: Any, request: pytest.FixtureRequest) -> None:
    settings.HOT_PATH = request.param
    call_command("setup_reference_data", verbosity=0)


def post(entries: dict[str, int], *, source_id: UUID | None = None, **fields: Any) -> LedgerTransaction:
    return ledger_services.post_to_ledger(
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
    with pytest.raises(postings.PostingConflict):
        post({RECEIVABLE: 6, ADVANCES: -6}, source_id=source_id)
    assert ledger.balance_of(RECEIVABLE) == 5


@pytest.mark.parametrize(
    ("entries", "refusal"),
    [
        ({RECEIVABLE: 5, ADVANCES: -4}, postings.UnbalancedPosting),
        ({}, postings.EmptyPosting),
        ({RECEIVABLE: 0, ADVANCES: 0}, postings.EmptyPosting),
        ({RECEIVABLE: 5, "nowhere": -5}, AccountNotFound),
    ],
)
def test_what_is_no_posting_is_refused_and_leaves_nothing(entries: dict[str, int], refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        post(entries)
    assert LedgerTransaction.objects.count() == 0


def test_a_long_description_is_kept_as_far_as_it_fits() -> None:
    assert post({RECEIVABLE: 100, ADVANCES: -100}, description="x" * 201).description == "x" * 200


def test_the_chart_of_accounts_is() -> None:
    """The kind of each account decides on which side of the balance sheet its balance stands."""
    ledger_accounts.account_codes_for(make_registration())

    kinds: dict[str, list[str]] = {}
    for account in Account.objects.order_by("code"):
        kinds.setdefault(account.kind, []).append(account.code.partition(":")[0])
    assert kinds == {
        "asset": [
            "bank", "disputes", "gateway_receivable", "input_gst", "other_bank_movements", "settlement_in_transit", "suspense",
        ],
        "expense": ["bank_charges", "dispute_losses", "gateway_fees", "payment_differences"],
        "income": ["payer_fees", "round_off", "sales"],
        "liability": [
            "customer_advances", "output_cgst", "output_igst", "output_sgst", "output_utgst", "refunds_payable",
            "transfers_payable",
        ],
    }  # fmt: skip


def test_another_refusal_of_the_database_is_not_taken_for_a_posting_that_exists(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: Any) -> None:
        raise IntegrityError("another constraint")

    monkeypatch.setattr(postings, "_insert", refuse)
    monkeypatch.setattr(postings.sql, "insert_postings", refuse)

    with pytest.raises(IntegrityError, match="another constraint"):
        post({RECEIVABLE: 100, ADVANCES: -100})


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
    assert ledger.balance_of(RECEIVABLE) == 5


def test_a_registration_gets_its_accounts_once() -> None:
    registration = make_registration()
    codes = ledger_accounts.account_codes_for(registration)
    assert (codes.sales, codes.output_igst) == ("sales:27AAPFU0939F1ZV", "output_igst:27AAPFU0939F1ZV")
    assert ledger_accounts.account_codes_for(registration) == codes
    assert Account.objects.filter(registration=registration).count() == 5


def test_reference_data_may_be_made_again() -> None:
    before = Account.objects.count()
    call_command("setup_reference_data", verbosity=0)
    assert Account.objects.count() == before == 16


def test_a_balance_is_the_checkpoint_and_what_came_after() -> None:
    post({RECEIVABLE: 100, ADVANCES: -100})
    assert checkpoints.checkpoint_balances(now=clock.now()) == 2
    post({RECEIVABLE: 30, ADVANCES: -30})
    assert ledger.balance_of(RECEIVABLE) == 130
    assert checkpoints.checkpoint_balances(now=clock.now()) == 2
    assert checkpoints.checkpoint_balances(now=clock.now()) == 0
    assert list(BalanceCheckpoint.objects.filter(account_id=RECEIVABLE).order_by("id").values_list("balance", flat=True)) == [
        100, 130,
    ]  # fmt: skip
    assert ledger.balance_of(RECEIVABLE) == 130
    assert sum(balance.amount for balance in ledger.list_balances()) == 0


def test_reading_a_balance_after_a_checkpoint_reads_only_what_came_after(count_queries: Any) -> None:
    post({RECEIVABLE: 100, ADVANCES: -100})
    checkpoints.checkpoint_balances(now=clock.now())
    with count_queries() as queries:
        ledger.balance_of(RECEIVABLE)
    assert len(queries) == 3
    assert '"id" >' in queries[-1]["sql"]


def test_there_is_no_balance_of_an_account_that_does_not_exist() -> None:
    with pytest.raises(AccountNotFound):
        ledger.balance_of("nowhere")


def test_currencies_are_kept_apart() -> None:
    post({RECEIVABLE: 100, ADVANCES: -100}, currency="USD")
    assert ledger.balance_of(RECEIVABLE) == 0
    assert ledger.balance_of(RECEIVABLE, currency="USD") == 100


class TestPostAll:
    @staticmethod
    def fact(amount: int, *, source_id: UUID | None = None, **fields: Any) -> NewPosting:
        values = {"kind": "capture", "description": "a test", "occurred_at": clock.now(), **fields}
        return NewPosting(
            source_type="test",
            source_id=source_id or uuid4(),
            entries={RECEIVABLE: amount, ADVANCES: -amount},
            **values,
        )

    def test_posts_each_fact_with_its_entries(self) -> None:
        made = ledger_services.post_all_to_ledger([self.fact(5), self.fact(7, currency="USD")])

        assert [{entry.account_id: entry.amount for entry in one.entries.all()} for one in made] == [
            {RECEIVABLE: 5, ADVANCES: -5}, {RECEIVABLE: 7, ADVANCES: -7},
        ]  # fmt: skip
        assert list(made[1].entries.values_list("currency", flat=True)) == ["USD", "USD"]
        connection.check_constraints()

    def test_returns_what_is_posted_already_and_refuses_other_entries(self) -> None:
        source_id = uuid4()
        earlier = post({RECEIVABLE: 5, ADVANCES: -5}, source_id=source_id)

        first, second = ledger_services.post_all_to_ledger([self.fact(5, source_id=source_id), self.fact(6)])

        assert (first, second == earlier, LedgerTransaction.objects.count()) == (earlier, False, 2)
        with pytest.raises(postings.PostingConflict):
            ledger_services.post_all_to_ledger([self.fact(8, source_id=source_id)])

    def test_posts_nothing_if_an_account_is_unknown(self) -> None:
        stray = self.fact(1)._replace(entries={"nowhere": 1, ADVANCES: -1})

        with pytest.raises(AccountNotFound), transaction.atomic():
            ledger_services.post_all_to_ledger([self.fact(5), stray])

        assert LedgerTransaction.objects.count() == 0


class TestOpenExceptions:
    @staticmethod
    def difference(number: int, **given: Any) -> NewException:
        return NewException("razorpay", ExceptionReason.FEE_MISMATCH, f"pay_{number}", **given)

    def test_are_rows_with_an_event_each_that_waits_to_be_sent(self) -> None:
        now = clock.now()

        opened = ledger_services.open_exceptions([self.difference(1), self.difference(2, actual_amount=5)], now=now)

        rows = list(ReconciliationException.objects.order_by("pk"))
        assert (opened, [(row.entity_id, row.version, row.opened_at) for row in rows]) == (
            2, [("pay_1", 1, now), ("pay_2", 1, now)],
        )  # fmt: skip
        events = list(Event.objects.order_by("pk"))
        assert [(event.type, event.subject_id, event.version, event.changes["entity_id"]) for event in events] == [
            ("ledger.exception.opened", row.pk, 1, row.entity_id) for row in rows
        ]
        assert events[1].changes["actual_amount"] == 5
        assert list(Outbox.objects.order_by("pk").values_list("event_id", flat=True)) == [one.pk for one in events]

    def test_of_one_fact_is_left_out_the_second_time(self) -> None:
        fact = self.difference(1, fingerprint="fee:1")
        ledger_services.open_exceptions_once([fact], now=clock.now())

        again = ledger_services.open_exceptions_once([fact, self.difference(2)], now=clock.now())

        assert (again, ReconciliationException.objects.count(), Event.objects.count()) == (1, 2, 2)

    def test_all_are_refused_if_a_constraint_refuses_one(self) -> None:
        fact = self.difference(1, fingerprint="fee:1")
        ledger_services.open_exceptions([fact], now=clock.now())

        with pytest.raises(IntegrityError), transaction.atomic():
            ledger_services.open_exceptions([self.difference(2), fact], now=clock.now())

        assert (ReconciliationException.objects.count(), Event.objects.count()) == (1, 1)
