"""Places and faults: found the same each time, planted where they are, and none of them a fault that is none."""

import ast
import os
import sys
from collections import Counter
from datetime import date

import pytest

from tests.mutants import operators, places, planting, report, sql_operators
from tests.support.lock_controls import COVERS

MEMBERS = {"OrderStatus": ("PLACED", "CONFIRMED", "CANCELLED")}


def _faults(source: str) -> list[tuple[str, str]]:
    return [
        (fault.operator, ast.unparse(fault.replacement))
        for node in ast.walk(ast.parse(source))
        for fault in operators.faults_at(node, MEMBERS)
    ]


class TestFaultsOfPython:
    @pytest.mark.parametrize(
        ("source", "expected"),
        [
            ("a + b", [("sign", "a - b")]),
            ("total -= x", [("sign", "total += x")]),
            ("-a", [("sign", "a")]),
            ("a < b", [("bound", "a <= b")]),
            ("a >= b", [("bound", "a > b")]),
            ("a == b", [("condition", "a != b")]),
            ("a in b", [("condition", "a not in b")]),
            ("a and b", [("condition", "a or b")]),
            ("not a", [("condition", "a")]),
            ("x = min(a, b)", [("rank", "max(a, b)")]),
            ("x = 18", [("number", "19")]),
            ("x = OrderStatus.CANCELLED", [("wrong member", "OrderStatus.PLACED")]),
            ("{a: x, b: -x}", [("swapped side", "{a: -x, b: x}"), ("sign", "x")]),
            ("post(a)", [("skipped effect", "pass")]),
            ("rows.select_for_update(no_key=True)", [("skipped effect", "pass"), ("missing lock", "rows.all()")]),
        ],
    )
    def test_an_operator_finds_its_fault_and_no_other(self, source: str, expected: list[tuple[str, str]]) -> None:
        assert _faults(source) == expected

    def test_a_check_is_left_out_whole(self) -> None:
        assert ("skipped check", "if False:\n    raise E") in _faults("if a:\n    raise E")

    @pytest.mark.parametrize("source", ["'a' + b", "log.info('x')", "x = 1", "f(OrderStatus)", "x = 'OrderStatus'"])
    def test_text_logs_and_small_numbers_are_left_alone(self, source: str) -> None:
        assert _faults(source) in ([], [("skipped effect", "pass")] if source.startswith("f(") else [])


class TestFaultsOfSql:
    def test_each_operator_of_a_statement_is_one_fault(self) -> None:
        text = "SELECT sum(a) FROM t WHERE x > 1 AND NOT EXISTS (SELECT 1 FROM u) FOR UPDATE"
        assert Counter(fault.operator for fault in sql_operators.sql_faults_in(text)) == {
            "bound": 1, "condition": 2, "missing lock": 1,
        }  # fmt: skip

    def test_comments_and_quoted_texts_stay_as_they_are(self) -> None:
        text = "SELECT 1 -- x > y AND z\nFROM t WHERE a = 'b > c OR d'"
        assert list(sql_operators.sql_faults_in(text)) == []

    def test_a_sentence_is_no_statement(self) -> None:
        assert list(sql_operators.sql_faults_in("Paid in full AND delivered - thank you")) == []


class TestPlaces:
    @pytest.fixture(scope="class")
    @staticmethod
    def found() -> list[places.Place]:
        return places.list_places()

    def test_every_app_that_moves_money_or_goods_has_places_and_each_its_own_id(
        self, found: list[places.Place]
    ) -> None:
        assert {place.app for place in found} == {app for app in places.APPS if (places.ROOT / "apps" / app).exists()}
        assert len({place.id for place in found}) == len(found) > 2_000

    def test_a_seed_gives_the_same_places_each_time_spread_over_apps_and_operators(
        self, found: list[places.Place]
    ) -> None:
        chosen = places.sample(found, seed=1, count=300)
        assert chosen == places.sample(list(found), seed=1, count=300)
        assert chosen != places.sample(found, seed=2, count=300)
        assert len({place.id for place in chosen}) == 300
        assert {place.operator for place in chosen} == {place.operator for place in found}
        assert {place.app for place in chosen} == {place.app for place in found}

    def test_a_change_of_the_product_replaces_only_the_places_that_are_gone(self, found: list[places.Place]) -> None:
        before = places.sample(found, seed=3, count=60)
        gone = set(before[::20])

        after = places.sample(
            [one for one in found if one not in gone], seed=3, count=60, kept=[one.id for one in before]
        )

        assert after[:57] == [one for one in before if one not in gone]
        assert len(set(after)) == 60

    def test_a_place_is_planted_where_it_is_and_nowhere_else(self, found: list[places.Place]) -> None:
        for place in places.sample(found, seed=3, count=25):
            source = (places.ROOT / place.path).read_text("utf-8")
            assert planting.compile_mutant(place) != compile(source, str(places.ROOT / place.path), "exec")

    def test_an_excused_place_exists(self, found: list[places.Place]) -> None:
        assert set(report.read_equivalents()) - {place.id for place in found} == set()

    def test_a_lock_is_excused_only_where_another_one_is_always_held(self) -> None:
        for name in report.read_equivalents():
            path, function, operator, _ = name.split(":")
            if operator == "missing lock":
                assert f"{path.removesuffix('.py').replace('/', '.')}.{function}" in COVERS


class TestPlanting:
    def test_a_module_that_is_imported_already_is_refused(self) -> None:
        place = next(place for place in places.list_places() if place.path == "apps/orders/rules.py")
        import apps.orders.rules  # noqa: F401

        with pytest.raises(planting.AlreadyImportedError):
            planting.plant(place)

    def test_a_planted_fault_is_what_a_new_process_runs(self) -> None:
        place = next(
            place
            for place in places.list_places()
            if place.path == "apps/invoicing/rules/credit_notes.py" and place.function == "credit_deadline"
        )
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _write_deadline(place, writing)
        os.close(writing)
        with os.fdopen(reading) as answer:
            planted = answer.read()
        os.waitpid(pid, 0)
        from apps.invoicing.rules.credit_notes import credit_deadline

        assert planted not in ("", str(credit_deadline(date(2026, 5, 1))))


def _write_deadline(place: places.Place, writing: int) -> None:
    try:
        for name in [name for name in sys.modules if name.startswith("apps.invoicing.rules")]:
            del sys.modules[name]
        planting.plant(place)
        from apps.invoicing.rules.credit_notes import credit_deadline

        os.write(writing, str(credit_deadline(date(2026, 5, 1))).encode())
    finally:
        os._exit(0)
