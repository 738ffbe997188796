"""The pages of docs that are made from the code are those that would be written."""

import re

import pytest

from tests.architecture.maps import ROOT, list_pages
from tests.architecture.model_map import list_models, render_models

PAGES = list_pages()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_the_one_that_would_be_written(page: str) -> None:
    assert (ROOT / page).read_text() == PAGES[page](), "run `make maps`"


def test_every_generated_page_says_that_it_is_one() -> None:
    assert [page for page in PAGES if "Written by `make maps`; do not edit." not in _one_line(page)] == []


def _one_line(page: str) -> str:
    return " ".join((ROOT / page).read_text().split())


class TestModels:
    def test_every_table_has_a_purpose_and_an_entity(self) -> None:
        page = render_models()

        for model in list_models():
            assert re.search(rf"^- `{model._meta.db_table}`: \w", page, re.MULTILINE), model
            assert f"    {model.__name__} {{\n" in page, model

    def test_every_foreign_key_is_a_relation(self) -> None:
        page = render_models()
        relations = [
            (field.related_model.__name__, model.__name__, field.name)
            for model in list_models()
            for field in model._meta.concrete_fields
            if field.is_relation
        ]

        assert len(relations) > 50
        for target, model, name in relations:
            assert re.search(rf"^    {target} \S+ {model} : {name}$", page, re.MULTILINE), (target, model, name)

    @pytest.mark.parametrize(
        "relation",
        [
            "Order ||--o{ OrderLine : order",
            "Variant ||--o{ StockLevel : variant",
            "User |o--o{ Challenge : user",
            "RefreshToken |o--o| RefreshToken : successor",
        ],
    )
    def test_ends_of_a_relation_say_how_many_rows_there_may_be(self, relation: str) -> None:
        assert f"    {relation}\n" in render_models()

    @pytest.mark.parametrize(
        "column",
        [
            "uuid id PK",
            "text number UK",
            "uuid location_id PK, FK",
            'uuid order_id FK "unique with position"',
            'uuid root_id "reference"',
        ],
    )
    def test_keys_are_shown_and_other_columns_are_not(self, column: str) -> None:
        page = render_models()

        assert f"        {column}\n" in page
        assert "total_amount" not in page

    def test_the_diagram_across_apps_has_no_relation_inside_an_app(self) -> None:
        across = render_models().split("## Across apps")[1].split("## accounts")[0]

        assert "    Order ||--o{ Payment : order\n" in across
        assert "OrderLine : order" not in across
