"""The model alone, against the worked computations (`CGST` and `SGST` at half rate each, halves away from zero)."""

from fractions import Fraction

import pytest

from tests.model.arithmetic import rounded, shares, to_whole_rupees
from tests.model.books import Books, Role
from tests.model.tax import Amounts, Document, return_units, tax_line, tax_on


def invoice(*lines: tuple[int, int], intra_state: bool = True, tax_included: bool = False) -> Document:
    return Document(
        tuple(tax_line(gross, rate, intra_state=intra_state, tax_included=tax_included) for gross, rate in lines)
    )


class TestRounding:
    @pytest.mark.parametrize(
        ("paise", "rupees"),
        [(50, 100), (149, 100), (250, 300), (117850, 117900), (117849, 117800), (-50, -100)],
    )
    def test_a_half_rupee_rounds_away_from_zero(self, paise: int, rupees: int) -> None:
        assert to_whole_rupees(paise) == rupees

    @pytest.mark.parametrize(
        ("value", "paise"),
        [("12.5", 13), ("267.5", 268), ("-12.5", -13), ("12.4", 12), ("-0.4", 0), ("0", 0)],
    )
    def test_a_half_paisa_rounds_away_from_zero(self, value: str, paise: int) -> None:
        assert rounded(Fraction(value)) == paise

    def test_shares_leave_nothing(self) -> None:
        assert shares(10000, [24050, 149900, 13500]) == [1283, 7997, 720]
        assert shares(6000, [60000, 40000]) == [3600, 2400]

    def test_of_equal_remainders_the_earlier_gets_the_paisa(self) -> None:
        assert shares(2, [1, 1, 1]) == [1, 1, 0]


class TestInvoices:
    def test_vector_1_within_a_state(self) -> None:
        document = invoice((2 * 49950, 1800))

        assert document.sum == Amounts(99900, cgst=8991, sgst=8991)
        assert (document.sum.total, document.round_off, document.grand_total) == (117882, 18, 117900)

    def test_vector_2_between_states(self) -> None:
        document = invoice((2 * 49950, 1800), intra_state=False)

        assert document.sum == Amounts(99900, igst=17982)
        assert document.grand_total == 117900

    @pytest.mark.parametrize(
        ("intra_state", "amounts", "round_off"),
        [(True, Amounts(84661, cgst=7619, sgst=7619), 1), (False, Amounts(84661, igst=15239), 0)],
    )
    def test_vector_3_tax_included(self, *, intra_state: bool, amounts: Amounts, round_off: int) -> None:
        document = invoice((99900, 1800), intra_state=intra_state, tax_included=True)

        assert (document.sum, document.round_off, document.grand_total) == (amounts, round_off, 99900)

    def test_vector_4_mixed_rates(self) -> None:
        document = invoice((3 * 4500, 0), (2 * 12025, 500), (149900, 1800), (6 * 4000, 4000))

        assert [line.cgst for line in document.lines] == [0, 601, 13491, 4800]
        assert document.sum == Amounts(211450, cgst=18892, sgst=18892)
        assert (document.round_off, document.grand_total) == (-34, 249200)

    def test_vector_5_discount(self) -> None:
        gross = [24050, 149900, 13500]
        net = [value - off for value, off in zip(gross, shares(10000, gross), strict=True)]
        document = invoice(*zip(net, (500, 1800, 0), strict=True))

        assert document.sum == Amounts(177450, cgst=13340, sgst=13340)
        assert (document.round_off, document.grand_total) == (-30, 204100)

    def test_vector_6_freight(self) -> None:
        document = invoice((63600, 500), (42400, 1800), intra_state=False)

        assert [line.igst for line in document.lines] == [3180, 7632]
        assert (document.round_off, document.grand_total) == (-12, 116800)

    @pytest.mark.parametrize(("price", "heads"), [(14000, (10000, 2000, 2000)), (4000, (2857, 571, 571))])
    def test_vector_7_forty_per_cent_included(self, price: int, heads: tuple[int, int, int]) -> None:
        document = invoice((price, 4000), tax_included=True)

        assert document.sum.heads()[:3] == heads
        assert document.grand_total == price

    def test_vector_8_special_rates(self) -> None:
        gold, stones = invoice((12345670, 300)), invoice((1234567, 25), intra_state=False)

        assert gold.sum == Amounts(12345670, cgst=185185, sgst=185185)
        assert gold.grand_total == 12716000
        assert stones.sum.igst == 3086
        assert stones.grand_total == 1237700

    def test_vector_12_tax_is_of_each_line(self) -> None:
        three, one = invoice(*[(3333, 500)] * 3), invoice((9999, 500))

        assert (three.sum.cgst, three.sum.total, three.round_off) == (249, 10497, 3)
        assert (one.sum.cgst, one.sum.total, one.round_off) == (250, 10499, 1)


class TestCreditNotes:
    def test_vector_9_one_of_two(self) -> None:
        line = tax_on(90000, 1800, intra_state=True)

        credit = return_units(line, 1800, ordered=2, returned=0, units=1, credited=Amounts())

        assert line.total == 106200
        assert credit == Amounts(45000, cgst=4050, sgst=4050)

    def test_vector_9_the_last_return_leaves_no_residue(self) -> None:
        line = tax_on(9999, 500, intra_state=True)

        first = return_units(line, 500, ordered=3, returned=0, units=1, credited=Amounts())
        rest = return_units(line, 500, ordered=3, returned=1, units=2, credited=first)

        assert (first, first.total) == (Amounts(3333, cgst=83, sgst=83), 3499)
        assert (rest, rest.total) == (Amounts(6666, cgst=167, sgst=167), 7000)


class TestBooks:
    def test_a_sale_and_its_return_leave_only_what_the_gateway_keeps(self) -> None:
        books = Books()
        document = invoice((2 * 49950, 1800))

        books.capture("att_1", 117900)
        books.invoice("inv_1", document.sum, document.round_off)
        books.credit_note("cn_1", document.sum, document.round_off)
        books.refund("rfnd_1", 117900)
        books.settle("setl_1", credited=117900, debited=117900, fees=2358, tax_on_fees=424)

        left = {role: balance for role, balance in books.balances.items() if balance}
        assert left == {Role.TRANSIT: -2782, Role.FEES: 2358, Role.FEE_TAX: 424}

    def test_a_fact_is_posted_once(self) -> None:
        books = Books()

        books.capture("att_1", 100)
        books.capture("att_1", 100)

        assert books.balances[Role.GATEWAY] == 100

    def test_a_posting_that_does_not_balance_is_refused(self) -> None:
        with pytest.raises(AssertionError, match="does not balance"):
            Books().post("wrong", "x", GATEWAY=1)
