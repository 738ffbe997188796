"""`manage.py generate`: a shop of any size whose books are right, or nothing at all."""

import contextlib
import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import override_settings

from apps.accounts.models import User
from apps.catalog.models import Product, StockLevel, Variant
from apps.core import audit, clock, ids
from apps.invoicing.models import Invoice, InvoiceFile
from apps.orders.models import Order
from apps.orders.states import OrderStatus
from apps.payments.models import Refund, Webhook
from apps.settlements.models import Settlement, SettlementLine
from devtools.generate import bulk_load, estimates, run, shop
from devtools.generate.identifiers import base_of, mix
from devtools.generate.patterns import Compiler
from devtools.generate.plays import PlayFailed
from devtools.generate.rehearsal import Repertoire, rehearse
from devtools.generate.snapshots import find_added
from tests.factories.orders import make_order
from tests.support.storage import documents_in

ORDERS, PRODUCTS, CUSTOMERS, DAYS = 400, 50, 90, 60
UNTIL = datetime(2026, 11, 20, 12, 30, tzinfo=UTC)
_SCHEMA = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated::text FROM pg_constraint WHERE conrelid <> 0
    UNION ALL SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid::text FROM pg_index
    WHERE indrelid::regclass::text NOT LIKE 'pg\\_%'
    UNION ALL SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid), tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL SELECT attrelid::regclass::text, attname, attnotnull::text, atthasdef::text FROM pg_attribute
    WHERE attnum > 0 AND attrelid::regclass::text LIKE 'orders\\_%'
"""


def generate(*arguments: str) -> str:
    """Run the command and return what it said."""
    said = StringIO()
    call_command("generate", *arguments, stdout=said, stderr=StringIO())
    return said.getvalue()


def query(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def read_schema() -> list[tuple[str, ...]]:
    """Return all constraints, indexes, triggers and columns; without casts, which Postgres writes otherwise the second time."""
    return sorted(tuple(re.sub(r"::[a-z ]+(\[\])?|[()]", "", str(part)) for part in row) for row in query(_SCHEMA))


def read_sequences() -> list[tuple[Any, ...]]:
    return sorted(query("SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = current_schema()"))


@pytest.fixture(scope="module")
def repertoire(rows_of_module: Any) -> Repertoire:
    """What is learnt of the product, once for all tests: it takes a while."""
    with rows_of_module():
        return rehearse(products=PRODUCTS, until=UNTIL, on_progress=lambda _done, _total: None)


@pytest.fixture
def learnt(repertoire: Repertoire, monkeypatch: pytest.MonkeyPatch) -> Repertoire:
    """Have the command know already what it would learn."""
    monkeypatch.setattr("devtools.generate.rehearsal.rehearse", lambda **_: repertoire)
    return repertoire


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """The directory of documents."""
    with documents_in(tmp_path):
        yield tmp_path


def files_in(place: Path) -> list[Path]:
    return [each for each in place.rglob("*") if each.is_file()]


ARGUMENTS = (
    "--orders", str(ORDERS), "--products", str(PRODUCTS), "--customers", str(CUSTOMERS), "--days", str(DAYS),
    "--until", "2026-11-20T18:00",
)  # fmt: skip


class TestGenerate:
    @pytest.fixture(scope="class")
    @staticmethod
    def filled(rows_of_module: Any, tmp_path_factory: pytest.TempPathFactory, repertoire: Repertoire) -> Iterator[Any]:
        """The shop, in a transaction around the tests of this class."""
        from django.db import transaction

        place = tmp_path_factory.mktemp("documents")
        with rows_of_module(), documents_in(place):
            before = read_schema()
            undo = transaction.savepoint()
            with mock.patch("devtools.generate.rehearsal.rehearse", return_value=repertoire):
                said = generate(*ARGUMENTS)
        with documents_in(place):
            yield SimpleNamespace(schema_before=before, said=said, place=place)
        with rows_of_module():
            transaction.savepoint_rollback(undo)

    @pytest.fixture(autouse=True)
    def _shop(self, filled: Any, db: None) -> None:
        """Every test here is about the one shop."""

    def test_every_invariant_holds(self) -> None:
        report = audit.run(now=UNTIL)

        assert [(each.invariant.id, each.error, each.rows[:2]) for each in report.failing] == []
        assert len(report.results) == len(audit.list_invariants())

    def test_has_exactly_what_was_asked_for(self) -> None:
        assert Order.objects.count() == ORDERS
        assert Product.objects.count() == PRODUCTS
        assert User.objects.filter(is_staff=False).count() == CUSTOMERS

    def test_numbers_orders_without_a_gap_as_they_were_placed(self) -> None:
        numbers = list(Order.objects.order_by("placed_at", "number").values_list("number", flat=True))

        assert numbers == [f"ORD-2627-{number:06d}" for number in range(1, ORDERS + 1)]

    def test_has_orders_of_every_outcome(self) -> None:
        statuses = set(Order.objects.values_list("status", flat=True))

        assert {OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.COMPLETED, OrderStatus.CLOSED} <= statuses
        assert Refund.objects.exists()
        assert Order.objects.filter(igst_amount__gt=0).exists()
        assert Order.objects.filter(cgst_amount__gt=0).exists()

    def test_lies_in_the_days_that_were_asked_for(self) -> None:
        first, last = Order.objects.order_by("placed_at").values_list("placed_at", flat=True)[0 : ORDERS : ORDERS - 1]

        assert UNTIL - timedelta(days=DAYS) <= first < UNTIL - timedelta(days=DAYS - 2)
        assert UNTIL - timedelta(hours=12) < last < UNTIL

    def test_settles_what_was_paid_and_the_bank_shows_it(self) -> None:
        settled = SettlementLine.objects.filter(attempt__isnull=False).count()

        assert Settlement.objects.filter(transfer_status="banked").count() == Settlement.objects.count() > DAYS // 2
        assert settled > ORDERS // 2

    def test_spreads_customers_and_products(self) -> None:
        assert Order.objects.values("customer_id").distinct().count() > CUSTOMERS // 3
        assert len({name for (name,) in query("SELECT DISTINCT name FROM orders_orderline")}) > PRODUCTS // 3

    def test_ids_sort_as_rows_were_made(self) -> None:
        by_id = list(Order.objects.order_by("pk").values_list("placed_at", flat=True))

        assert by_id == sorted(by_id)

    def test_keeps_the_bytes_of_webhooks_with_their_hashes(self) -> None:
        webhook = Webhook.objects.filter(event_type="payment.captured").first()

        assert webhook is not None
        assert hashlib.sha256(bytes(webhook.body)).hexdigest() == webhook.body_sha256
        assert b"Zq" not in bytes(webhook.body)

    def test_no_mark_of_the_played_orders_is_left(self) -> None:
        left = query("SELECT count(*) FROM core_event WHERE changes::text LIKE '%Zq%' OR actor LIKE '%Zq%'")
        texts = query(
            "SELECT count(*) FROM notifications_notification WHERE body LIKE '%Zq%' OR context::text LIKE '%Zq%'"
        )

        assert (left, texts) == ([(0,)], [(0,)])

    def test_every_document_has_its_file(self, filled: Any) -> None:
        paths = set(InvoiceFile.objects.values_list("path", flat=True))

        assert paths == {str(each.relative_to(filled.place)) for each in files_in(filled.place)}
        assert len(paths) == Invoice.objects.count()

    def test_the_schema_is_as_before(self, filled: Any) -> None:
        assert read_schema() == filled.schema_before

    def test_stock_is_left_of_everything(self) -> None:
        levels = StockLevel.objects.all()

        assert len(levels) == Variant.objects.count()
        assert all(level.on_hand_milli > level.reserved_milli for level in levels)

    def test_the_shop_goes_on(self) -> None:
        order = make_order(User.objects.filter(is_staff=False).first(), [Variant.objects.earliest("pk")], now=UNTIL)

        assert order.number == f"ORD-2627-{ORDERS + 1:06d}"
        assert [each.invariant.id for each in audit.run(now=UNTIL).failing] == []

    def test_says_what_it_takes_and_what_it_made(self, filled: Any) -> None:
        assert "KiB an order" in filled.said
        assert f"{ORDERS} orders, {PRODUCTS} products, {CUSTOMERS} customers" in filled.said

    def test_is_refused_the_second_time_and_changes_nothing(self) -> None:
        with pytest.raises(CommandError, match=r"has a shop already: there are rows in catalog_product, orders_order"):
            generate(*ARGUMENTS)

        assert Order.objects.count() == ORDERS


class TestSeed:
    def digest(self, repertoire: Repertoire, *, seed: int) -> str:
        until = int(UNTIL.timestamp())
        plan = shop.Plan(orders=120, products=PRODUCTS, customers=30, begin=until - 50 * 86_400, until=until, seed=seed)
        found = hashlib.sha256()
        for piece in shop.Shop(plan, repertoire).pieces():
            for table in sorted(piece):
                found.update(f"{table}\n{piece[table]}".encode())
        return found.hexdigest()

    def test_the_same_seed_makes_the_same_shop(self, reference_data: None, repertoire: Repertoire) -> None:
        again = rehearse(products=PRODUCTS, until=UNTIL, on_progress=lambda _done, _total: None)

        assert self.digest(again, seed=7) == self.digest(repertoire, seed=7)

    def test_another_seed_makes_another_shop(self, repertoire: Repertoire) -> None:
        assert self.digest(repertoire, seed=7) != self.digest(repertoire, seed=8)


@pytest.mark.usefixtures("reference_data", "learnt", "place")
class TestRefusals:
    @pytest.fixture(autouse=True)
    def _nothing_changes(self, reference_data: None, place: Path) -> Iterator[None]:
        """Whatever is refused, interrupted or only asked for leaves no row, no file and no number behind."""
        before = read_schema(), read_sequences()
        yield
        assert (read_schema(), read_sequences()) == before
        assert Product.objects.count() == User.objects.count() == 0
        assert files_in(place) == []

    def test_a_disk_that_is_too_small_is_refused(self) -> None:
        with (
            mock.patch.object(estimates.shutil, "disk_usage", return_value=SimpleNamespace(free=1 << 20)),
            pytest.raises(CommandError, match="not enough disk"),
        ):
            generate(*ARGUMENTS)

    def test_a_disk_that_cannot_be_seen_is_refused_without_yes(self) -> None:
        with (
            mock.patch.object(estimates, "find_data_directory", return_value=None),
            pytest.raises(CommandError, match="cannot be seen from here"),
        ):
            generate(*ARGUMENTS)

    def test_a_database_elsewhere_is_refused_without_yes(self) -> None:
        with (
            mock.patch.object(estimates, "is_local", return_value=False),
            pytest.raises(CommandError, match="add --yes"),
        ):
            generate(*ARGUMENTS)

    def test_production_settings_are_refused_with_yes_too(self) -> None:
        with override_settings(IS_STRICT=True), pytest.raises(CommandError, match="not run with production settings"):
            generate(*ARGUMENTS, "--yes")

    def test_a_dry_run_only_says_what_it_would_take(self) -> None:
        said = generate(*ARGUMENTS, "--dry-run")

        assert "KiB an order" in said
        assert "nothing was changed" in said

    def test_fewer_orders_than_days_are_refused(self) -> None:
        with pytest.raises(CommandError, match=r"29 orders cannot be of 6 days: give at least 5 orders a day\."):
            generate("--orders", "29", "--days", "6")

    @pytest.mark.parametrize("after", [1, 3])
    def test_a_run_that_is_stopped_leaves_nothing(self, after: int, learnt: Repertoire) -> None:
        said = StringIO()

        with self.stopped(after), pytest.raises(SystemExit) as end:
            call_command("generate", *ARGUMENTS, stdout=StringIO(), stderr=said)

        assert end.value.code == 130
        assert "the database is as empty as before" in said.getvalue()

    @contextlib.contextmanager
    def stopped(self, after: int) -> Iterator[None]:
        """Have Ctrl-C come with a report of the real run: after its rows, or when the files of documents are written."""
        real, seen = run.fill, 0

        def fill(plan: Any, repertoire: Any, *, on_step: Any, is_sample: bool = False) -> Any:
            def stop(step: str, done: int, total: int) -> None:
                nonlocal seen
                seen += not is_sample and step == ("rows" if after == 1 else "document")
                if seen == after:
                    raise KeyboardInterrupt
                on_step(step, done, total)

            return real(plan, repertoire, on_step=stop, is_sample=is_sample)

        with mock.patch.object(run, "fill", fill):
            yield

    def test_a_disk_that_runs_full_is_a_sentence(self) -> None:
        from psycopg.errors import DiskFull

        with (
            mock.patch.object(bulk_load, "restore", side_effect=DiskFull("could not extend file")),
            pytest.raises(CommandError, match=r"The disk of the database is full. Nothing was changed."),
        ):
            generate(*ARGUMENTS)


class TestSnapshots:
    def test_a_changed_row_is_not_taken_for_a_new_one(self) -> None:
        before = {"shelf": {("1",): {"id": "1", "units": "5"}}}
        after = {"shelf": {("1",): {"id": "1", "units": "4"}}}

        with pytest.raises(PlayFailed, match="changes rows of shelf"):
            find_added(before, after)

    def test_new_rows_are_found(self) -> None:
        row = {"id": "2", "units": "1"}

        assert find_added({"shelf": {}}, {"shelf": {("2",): row}}) == {"shelf": [row]}


class TestPatterns:
    BEGIN = 1_795_000_000
    OWN = UUID("01a22e4f-e521-73fb-b33d-ffc8d91bc515")

    def compile(self, text: str, **exact: str) -> tuple[str, Compiler]:
        compiler = Compiler(
            begin=self.BEGIN,
            own={self.OWN: self.BEGIN},
            foreign={},
            kept=frozenset(),
            exact=exact,
            kept_hashes=frozenset(),
        )
        compiler.learn_instants([text])
        return compiler.pattern(text), compiler

    def test_an_instant_is_open_wherever_it_stands(self) -> None:
        at = datetime.fromtimestamp(self.BEGIN + 90, tz=UTC)

        pattern, _ = self.compile(f'{{"placed_at": "{at:%Y-%m-%dT%H:%M:%S}.040Z"}}')

        assert pattern == '{"placed_at": "%(t90)s.137Z"}'

    def test_a_public_id_is_that_of_its_row(self) -> None:
        pattern, compiler = self.compile(f"user:{ids.encode('cus', self.OWN)}")

        assert pattern == "user:cus_%(u0_p)s"
        assert compiler.holes.public == {"u0_p": base_of(self.BEGIN * 1000 + 137, 0)}

    def test_a_percent_sign_stays_one(self) -> None:
        pattern, _ = self.compile("18 % of 100")

        assert pattern % {} == "18 % of 100"

    def test_a_day_in_words_follows_its_instant(self) -> None:
        at = datetime.fromtimestamp(self.BEGIN + 90, tz=clock.IST)

        pattern, compiler = self.compile(f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.137+00, {at.day} {at:%b %Y}")

        assert compiler.holes.days == {"d90_words": (90, "words")}
        assert pattern.endswith(", %(d90_words)s")

    def test_names_are_open_before_their_parts(self) -> None:
        pattern, _ = self.compile("Asha Rao, Asha", **{"Asha": "first", "Asha Rao": "name"})

        assert pattern == "%(name)s, %(first)s"


class TestIdentifiers:
    def test_ids_are_of_version_7(self) -> None:
        made = UUID(int=base_of(1_795_000_000_137, 5) + mix("seed", 1))

        assert (made.version, made.variant, made.int >> 80) == (7, "specified in RFC 4122", 1_795_000_000_137)
