"""What every page of the back office has in common."""

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib import admin
from django.contrib.admin.utils import label_for_field

from apps.catalog.models import Product
from apps.core.admin_site import ago, join_nonempty, link, spell_field_name
from apps.invoicing.models import Invoice
from apps.orders.models import Order


@pytest.mark.parametrize(
    ("model", "field", "heading"),
    [
        (Invoice, "cgst_amount", "CGST amount"),
        (Product, "is_published", "published"),
        (Order, "buyer_gstin", "buyer GSTIN"),
        (Order, "public_id", "ID"),
        (Order, "place_of_supply", "place of supply"),
    ],
)
def test_headings_are_written_as_people_do(model: type, field: str, heading: str) -> None:
    assert label_for_field(field, model, admin.site._registry[model]) == heading


@pytest.mark.parametrize(
    ("words", "spelled"),
    [
        ("cgst amount", "CGST amount"),
        ("ip", "IP"),
        ("buyer gstin", "buyer GSTIN"),
        ("CGST amount", "CGST amount"),
        ("is withdrawn", "withdrawn"),
        ("first on", "first day"),
        ("last on", "last day"),
        ("booked on", "booked on"),
        ("on hand milli", "on hand"),
        ("gstr period", "gstr period"),
        ("shipping address", "shipping address"),
        ("", ""),
    ],
)
def test_names_of_fields_are_written_as_people_do(words: str, spelled: str) -> None:
    assert spell_field_name(words) == spelled


def test_spelling_a_heading_changes_no_migration() -> None:
    assert "verbose_name" not in Invoice._meta.get_field("cgst_amount").deconstruct()[3]


def test_a_link_is_escaped() -> None:
    assert link('/a"b', "<b>").startswith('<a href="/a&quot;b" ')
    assert link("/a", "<b>").endswith(">&lt;b&gt;</a>")


def test_what_is_empty_leaves_no_gap_on_the_line() -> None:
    address = {"name": "Asha Rao", "company": "", "city": "Pune", "pin": "411030"}

    assert join_nonempty(address, ("name", "company", "line1", "city", "pin")) == "Asha Rao, Pune, 411030"


@pytest.mark.parametrize(("seconds", "words"), [(59, "just now"), (180, "3\xa0minutes ago"), (7_300, "2\xa0hours ago")])
def test_what_has_just_happened_is_not_ago(seconds: int, words: str) -> None:
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)

    assert ago(at, at + timedelta(seconds=seconds)) == words
