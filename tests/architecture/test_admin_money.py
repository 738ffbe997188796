"""Staff read and type rupees: no form field, list column, filter or page of the back office shows paise as a number."""

import re
from html import unescape
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.db import models
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.core import admin_actions
from apps.core.admin_fields import RupeesField, is_money, money_fields
from apps.ledger.models import BalanceCheckpoint
from apps.payments.models import Dispute
from apps.settlements.models import SettlementLine
from tests.factories.accounts import make_staff
from tests.support.admin_clients import label
from tests.support.shop import make_busy_shop

pytestmark = pytest.mark.django_db

PAGES = sorted(admin.site._registry.items(), key=lambda entry: entry[0]._meta.label)
#: What a gateway sent stands there word for word, in its own unit.
WORD_FOR_WORD = {"payments.Webhook"}
MONEY_WORDS = ("amount", "price", "balance", "fee")


def text_of(html: str) -> str:
    """What a person reads of a page, with what stands in the boxes and choices of its forms."""
    body = re.sub(r"(?s)<(script|style|svg)\b.*?</\1>", " ", html)
    boxes = " ".join(re.findall(r'<input[^>]*\bvalue="([^"]*)"', body))
    return unescape(re.sub(r"<[^>]+>", " ", body) + " " + boxes)


def amounts_in(model: type[models.Model], rows: Any) -> set[int]:
    """The amounts of rows; small ones may be any number."""
    return {
        abs(value)
        for row in rows
        for name in money_fields(model)
        if (value := getattr(row, name)) is not None and abs(value) >= 1000
    }


@pytest.fixture
def root(reference_data: None) -> Any:
    user = make_staff("admin")
    user.is_superuser = True
    user.save()
    return user


class TestWhatIsMoney:
    def test_amounts_are_found_by_their_column(self) -> None:
        assert {"amount", "amount_deducted"} <= set(money_fields(Dispute))
        assert {"debit", "credit", "amount", "held_amount"} <= set(money_fields(SettlementLine))
        assert money_fields(BalanceCheckpoint) == ["balance"]

    def test_every_column_with_the_name_of_an_amount_is_one(self) -> None:
        named = [
            field
            for model, _ in PAGES
            for field in model._meta.concrete_fields
            if field.name.endswith(MONEY_WORDS) and not isinstance(field, models.JSONField)
        ]

        assert len(named) >= 40
        assert [str(field) for field in named if not is_money(field)] == []


@pytest.mark.parametrize("entry", PAGES, ids=label)
class TestOnEveryPage:
    def test_an_amount_is_typed_in_rupees(self, entry: Any, root: Any) -> None:
        model, page = entry
        request = RequestFactory().get("/")
        request.user = root
        typed = {name: page.formfield_for_dbfield(model._meta.get_field(name), request) for name in money_fields(model)}

        assert {name: type(field) for name, field in typed.items()} == dict.fromkeys(typed, RupeesField)
        shown = page.get_form(request, change=True).base_fields
        assert [
            name for name, field in shown.items() if name.endswith(MONEY_WORDS) and not isinstance(field, RupeesField)
        ] == []

    def test_an_amount_that_cannot_be_typed_reads_as_rupees(self, entry: Any, root: Any) -> None:
        model, page = entry
        request = RequestFactory().get("/")
        request.user = root

        for part in (page, *page.get_inline_instances(request)):
            for name in money_fields(part.model if part is not page else model):
                assert part.readonly_preprocess_fields[name]("123456") == "₹1,234.56", name

    def test_no_column_and_no_filter_is_an_amount_as_it_is_stored(self, entry: Any, root: Any) -> None:
        model, page = entry
        request = RequestFactory().get("/")
        request.user = root
        columns = [*page.get_list_display(request), *page.list_editable]

        assert set(columns) & set(money_fields(model)) == set()
        assert {str(each).split("__")[0] for each in page.list_filter} & set(money_fields(model)) == set()
        for inline in page.inlines:
            listed = set(inline.fields or ()) & set(money_fields(inline.model))
            assert listed <= set(inline.readonly_fields)


def test_no_action_asks_for_paise() -> None:
    asked = [
        (model, action.name, name)
        for model, actions in admin_actions._object_actions.items()
        for action in actions
        for name, field in action.form.base_fields.items()
        if isinstance(field, forms.IntegerField) and name.endswith(MONEY_WORDS) and not field.widget.is_hidden
    ]

    assert asked == []


def test_no_page_shows_a_number_of_paise(root: Any) -> None:
    make_busy_shop()
    client = Client()
    client.force_login(root)
    shown = []

    for model, page in PAGES:
        if model._meta.label in WORD_FOR_WORD:
            continue
        rows = list(model._default_manager.all()[:3])
        amounts = set().union(
            amounts_in(model, rows),
            *(amounts_in(inline.model, inline.model._default_manager.all()[:10]) for inline in page.inlines),
        )
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        addresses = [reverse(f"{name}_changelist"), *(reverse(f"{name}_change", args=[row.pk]) for row in rows)]
        for address in addresses:
            text = text_of(client.get(address).content.decode())
            numbers = {int(digits) for digits in re.findall(r"(?<![\w.,:/-])\d{4,15}(?![\w.,:/-])", text)}
            shown += [(address, number) for number in numbers & amounts]
            assert not re.search(r"\bpaise\b|\bbasis points\b", text, re.IGNORECASE), address

    assert shown == []
