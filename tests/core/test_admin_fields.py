"""Amounts and rates as staff type and read them."""

from typing import Any

import pytest
from django import forms

from apps.core.admin_fields import PercentField, RupeesField, amounts_in_rupees, as_rupees, as_units, show_json


class PriceForm(forms.Form):
    price = RupeesField(min_paise=100, max_paise=10_000_000)
    fee = RupeesField(required=False)


class RateForm(forms.Form):
    rate = PercentField()


def form_of(**typed: str) -> PriceForm:
    return PriceForm({"price": "599.00", "fee": "", **typed}, initial={"price": 59_900})


class TestRupeesField:
    @pytest.mark.parametrize(
        ("typed", "paise"),
        [("599", 59_900), ("599.5", 59_950), ("5.99", 599), ("₹599.00", 59_900), (" ₹ 99,999.99 ", 9_999_999),
         ("1,00,000", 10_000_000), ("100,000", 10_000_000), ("1", 100)],
    )  # fmt: skip
    def test_what_is_typed_is_kept_in_paise(self, typed: str, paise: int) -> None:
        form = form_of(price=typed)

        assert form.is_valid(), form.errors
        assert form.cleaned_data == {"price": paise, "fee": None}
        assert type(form.cleaned_data["price"]) is int

    @pytest.mark.parametrize(
        "typed",
        [
            "5.999",
            "-5",
            "+5",
            "1e3",
            "NaN",
            "5,99",
            "1,50.00",
            "12,34",
            "599/-",
            "٥٩٩",
            "0x10",
            "1 000",
            "5..1",
            ".",
            "1_000",
        ],
    )
    def test_what_is_no_amount_is_refused(self, typed: str) -> None:
        form = form_of(price=typed)

        assert form.errors == {"price": ["Enter an amount in rupees with at most two decimals, such as 599.00."]}

    def test_bounds_are_named_in_rupees(self) -> None:
        assert form_of(price="0.99").errors == {"price": ["Enter at least ₹1.00."]}
        assert form_of(price="100000.01").errors == {"price": ["Enter at most ₹1,00,000.00."]}
        assert form_of(price="9" * 17).errors == {"price": ["Enter at most ₹1,00,000.00."]}
        assert form_of(price="").errors == {"price": ["This field is required."]}

    def test_a_box_holds_two_decimals(self) -> None:
        form = PriceForm(initial={"price": 59_905})

        assert 'value="599.05"' in str(form["price"])
        assert 'inputmode="decimal"' in str(form["price"])
        assert 'value="5.999"' in str(form_of(price="5.999")["price"])

    @pytest.mark.parametrize(
        ("typed", "has_changed"), [("599", False), ("₹599.00", False), ("599.01", True), ("x", True)]
    )
    def test_the_same_amount_in_another_writing_is_no_change(self, typed: str, has_changed: bool) -> None:
        assert ("price" in form_of(price=typed).changed_data) is has_changed


class TestPercentField:
    @pytest.mark.parametrize(
        ("typed", "basis_points"), [("18", 1800), ("0.25", 25), ("1.5", 150), ("0", 0), ("100", 10_000)]
    )
    def test_what_is_typed_is_kept_in_basis_points(self, typed: str, basis_points: int) -> None:
        form = RateForm({"rate": typed})

        assert form.is_valid()
        assert form.cleaned_data["rate"] == basis_points
        assert f'value="{typed}"' in str(RateForm(initial={"rate": basis_points})["rate"])

    @pytest.mark.parametrize("typed", ["1800", "18.005", "-1", "x", "", "\uff11\uff18"])
    def test_what_is_no_rate_is_refused(self, typed: str) -> None:
        assert "rate" in RateForm({"rate": typed}).errors


@pytest.mark.parametrize(("contents", "shown"), [("123456", "₹1,234.56"), ("-50", "-₹0.50"), ("-", "-"), ("", "")])
def test_what_cannot_be_typed_reads_as_rupees(contents: str, shown: str) -> None:
    assert as_rupees(contents) == shown


@pytest.mark.parametrize(("contents", "shown"), [("12000", "12"), ("-2000", "-2"), ("0", "0"), ("-", "-"), ("", "")])
def test_thousandths_read_as_units(contents: str, shown: str) -> None:
    assert as_units(contents) == shown


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({"price": 49_900, "position": 3}, {"price": "₹499.00", "position": 3}),
        ({"total_amount": 117_900, "paid_amount": None}, {"total_amount": "₹1,179.00", "paid_amount": None}),
        ({"next_action": {"amount": 100, "type": "razorpay_checkout"}}, {"next_action": {"amount": "₹1.00", "type": "razorpay_checkout"}}),
        ({"lines": [{"debit": 5, "quantity": 5}]}, {"lines": [{"debit": "₹0.05", "quantity": 5}]}),
        ({"line_amounts": {"0190a0a0": 4200}}, {"line_amounts": {"0190a0a0": "₹42.00"}}),
        ({"is_amount": True}, {"is_amount": True}),
    ],
)  # fmt: skip
def test_amounts_inside_of_json_read_as_rupees(stored: Any, shown: Any) -> None:
    assert amounts_in_rupees(stored) == shown


def test_json_is_escaped() -> None:
    assert "&lt;b&gt;" in show_json({"name": "<b>"})
    assert "<b>" not in show_json({"name": "<b>"})
