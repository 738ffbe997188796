"""What a typed text may be."""

import pytest

from apps.accounts.models import User
from apps.accounts.selectors import parse_phone_or_none
from apps.core.search import SearchTerm


class TestSearchTerm:
    @pytest.mark.parametrize(
        ("typed", "digits"),
        [("000123", "000123"), ("# 123", "123"), ("2627-000123", "2627000123"), ("12 34", "1234"), ("12a", ""), ("", ""), ("+91", ""),
         ("١٢٣", "")],
    )  # fmt: skip
    def test_digits_however_they_are_parted(self, typed: str, digits: str) -> None:
        assert SearchTerm(typed).digits == digits

    @pytest.mark.parametrize(
        ("typed", "code"), [("ord-2627-000123", "ORD-2627-000123"), (" kur - m ", "KUR-M"), ("Asha!", ""), ("a%b", "")]
    )
    def test_codes_in_capitals(self, typed: str, code: str) -> None:
        assert SearchTerm(typed).code == code

    @pytest.mark.parametrize(
        ("typed", "words"),
        [("Asha Rao", ["Asha", "Rao"]), ("o'neil & co.", ["o", "neil", "co"]), ("a:* | b", []), ("a", []), ("9876543210", []),
         ("asha@example.com", []), ("आशा", ["आशा"]), ("one two three four five six seven", ["one", "two", "three", "four", "five", "six"])],
    )  # fmt: skip
    def test_words_of_a_name(self, typed: str, words: list[str]) -> None:
        assert SearchTerm(typed).words == words

    @pytest.mark.parametrize(
        ("typed", "reference"), [("pay_29QQoUBi66xm2f", "pay_29QQoUBi66xm2f"), ("1795411800vxp0rj", "1795411800vxp0rj"), ("kurta", ""),
         ("a1", ""),
                                 ("cotton kurta 12", "")],
    )  # fmt: skip
    def test_references_of_machines(self, typed: str, reference: str) -> None:
        assert SearchTerm(typed).reference == reference

    def test_what_cannot_be_seen_is_left_out(self) -> None:
        assert SearchTerm("\x00 As\x00ha \n\t Rao \ud800").text == "As ha Rao"
        assert len(SearchTerm("x" * 5000).text) == 100

    def test_an_id_of_another_kind_is_none(self) -> None:
        assert SearchTerm("ord_01jf3z8k4qe7tv2w9x0y1z2a3b").pk_of(User) is None


@pytest.mark.parametrize(
    "typed",
    ["9876543210", "+919876543210", "+91 98765 43210", "098765 43210", "98765-43210", "(+91) 98765-43210",
     "0091 9876543210", "91 9876543210",
     "+91.98765.43210", " 9876 543 210 ", "98765/43210", "9876543210."],
)  # fmt: skip
def test_a_phone_in_any_writing(typed: str) -> None:
    assert parse_phone_or_none(SearchTerm(typed).text) == "+919876543210"


@pytest.mark.parametrize(
    "typed", ["987654321", "98765432101", "Asha 9876543210", "+44 20 7946 0000", "000123", "0000123", "", "+++"]
)
def test_what_is_no_phone(typed: str) -> None:
    assert parse_phone_or_none(SearchTerm(typed).text) is None


@pytest.mark.parametrize("typed", ["+971 50 123 4567", "00971-50-1234567"])
def test_a_phone_of_another_country_in_any_writing(typed: str) -> None:
    assert parse_phone_or_none(typed) == "+971501234567"
