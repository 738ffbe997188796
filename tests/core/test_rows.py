"""Objects from rows of prepared statements: those that the ORM would have made."""

from typing import Any

import pytest
from django.db import models

from apps.accounts.models import User
from apps.catalog.models import Product, Variant
from apps.core.models import Event
from apps.core.prepared import fetch_rows
from apps.core.rows import RowReader, columns, count_columns, to_object
from apps.payments.models import Webhook
from tests.factories.accounts import make_user
from tests.factories.catalog import make_variant
from tests.support.shop import make_busy_shop

pytestmark = pytest.mark.django_db


def read_all(model: type[models.Model]) -> list[Any]:
    rows = fetch_rows(f"SELECT {columns(model, 'it')} FROM {model._meta.db_table} AS it ORDER BY id", [])
    return [to_object(model, row) for row in rows]


def values_of(row: Any) -> dict[str, Any]:
    return {
        name: bytes(value) if isinstance(value, memoryview) else value
        for name, value in vars(row).items()
        if name != "_state"
    }


@pytest.mark.parametrize("model", [User, Event, Webhook])
def test_object_has_what_the_orm_reads(model: type[models.Model], reference_data: None) -> None:
    make_busy_shop()

    read, stored = read_all(model), list(model._default_manager.order_by("id"))

    assert read
    assert [values_of(row) for row in read] == [values_of(row) for row in stored]
    assert [(row._state.adding, row._state.db) for row in read] == [(False, "default")] * len(read)


def test_json_is_read_as_the_orm_reads_it() -> None:
    user = make_user()
    user.metadata = {"large": 2**70, "small": [1.5, None, "ü"], "float": 0.1 + 0.2}
    user.save(update_fields=["metadata"])

    [read] = read_all(User)

    assert read.metadata == {"large": 2**70, "small": [1.5, None, "ü"], "float": 0.1 + 0.2}
    assert type(read.metadata["large"]) is int


def test_object_can_be_saved() -> None:
    user = make_user(name="Asha")
    [read] = read_all(User)

    read.name = "Asha Rao"
    read.save(update_fields=["name"])

    user.refresh_from_db()
    assert (user.name, read == user) == ("Asha Rao", True)


def test_computed_columns_are_left_out() -> None:
    make_variant()

    names = columns(Product, "product")

    assert ('product."name"' in names, 'product."search"' in names) == (True, False)
    assert count_columns(Product) == len(names.split(", "))
    assert read_all(Product)[0].name == Product.objects.get().name


class TestRowReader:
    def test_a_row_has_the_columns_and_the_properties_of_the_model(self) -> None:
        variant = make_variant(stock=3)
        rows = RowReader(Variant, extra=("on_hand_milli", "reserved_milli"))

        [values] = fetch_rows(f"SELECT {rows.columns('it')} FROM catalog_variant AS it", [])
        row = rows.read(values, 3_000, 1_000)

        stored = Variant.objects.get()
        assert len(values) == rows.width == count_columns(Variant)
        assert {field.attname: getattr(row, field.attname) for field in Variant._meta.concrete_fields} == {
            field.attname: getattr(stored, field.attname) for field in Variant._meta.concrete_fields
        }
        assert (row.public_id, row.pk, row.stock_counts.available) == (variant.public_id, variant.pk, 2)

    def test_what_is_left_out_is_not_read_and_not_there(self) -> None:
        make_variant()
        rows = RowReader(Product, without=("description",))

        [values] = fetch_rows(f"SELECT {rows.columns('it')} FROM catalog_product AS it", [])

        assert "description" not in rows.columns("it")
        assert not hasattr(rows.read(values), "description")

    def test_a_row_cannot_be_changed(self) -> None:
        make_variant()
        rows = RowReader(Product)
        [values] = fetch_rows(f"SELECT {rows.columns('it')} FROM catalog_product AS it", [])

        with pytest.raises(AttributeError):
            rows.read(values).name = "Lamp"
        with pytest.raises(AttributeError):
            rows.read(values).save()
