"""The demo shop in the database: whole, quick, and made once."""

import time
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import User
from apps.catalog.models import Category, Product, StockLevel, Variant
from apps.core import audit, clock
from apps.core.models import Event, Outbox
from apps.tax import selectors as tax
from devtools import demo_accounts

pytestmark = pytest.mark.django_db


def load() -> str:
    out = StringIO()
    call_command("load_demo_data", stdout=out)
    return out.getvalue()


def test_makes_a_shop_in_which_everything_adds_up() -> None:
    began = time.thread_time()
    said = load()
    seconds = time.thread_time() - began

    assert Category.objects.count() == 12
    assert 950 <= Product.objects.count() <= 1_050
    assert StockLevel.objects.count() == Variant.objects.count() > Product.objects.count()
    assert tax.get_default_registration().gstin == "27AAPFU0939F1ZV"
    assert "12 categories" in said
    assert seconds < 15  # of our own time, which is about two
    assert [result.invariant.name for result in audit.run(now=clock.now()).failing] == []


def test_every_row_has_a_first_event_and_the_outbox_is_empty() -> None:
    load()

    assert set(Product.objects.values_list("version", flat=True)) == {1}
    assert (
        Event.objects.filter(type__startswith="catalog.").count() == Product.objects.count() + Variant.objects.count()
    )
    assert not Outbox.objects.filter(event__type__startswith="catalog.").exists()


def test_lets_staff_of_every_role_in() -> None:
    load()

    for login in demo_accounts.STAFF:
        user = User.objects.get(email=login.email)
        assert user.is_staff
        assert user.check_password(login.password)
        assert user.groups.get().name == login.role.replace(" ", "_")


def test_makes_nothing_the_second_time() -> None:
    load()
    before = [model.objects.count() for model in (Category, Product, Variant, User, Event)]

    said = load()

    assert [model.objects.count() for model in (Category, Product, Variant, User, Event)] == before
    assert "0 categories, 0 products, 0 variants" in said


def test_does_not_run_in_production(settings: Any) -> None:
    settings.IS_STRICT = True

    with pytest.raises(CommandError, match="production"):
        load()

    assert not User.objects.exists()
