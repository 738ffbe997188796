"""What the import linter cannot see: foreign keys, defaults of models, and who says FOR UPDATE."""

import re
from pathlib import Path

import pytest
from django.apps import apps
from django.db import models

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = [config for config in apps.get_app_configs() if config.name.startswith("apps.")]
#: Lower first; an app may point at itself and at those before it. accounts and catalog stand side by side.
HEIGHT = {
    "core": 0,
    "tax": 1,
    "accounts": 2,
    "catalog": 2,
    "ledger": 3,
    "orders": 4,
    "payments": 5,
    "invoicing": 6,
    "fulfilment": 7,
    "settlements": 8,
    "notifications": 9,
    "backoffice": 10,
}
FOREIGN_KEYS = [
    field
    for config in OURS
    for model in config.get_models()
    for field in model._meta.local_fields
    if isinstance(field, models.ForeignKey)
]


def crosses(field: "models.ForeignKey[models.Model, models.Model]") -> bool:
    return field.related_model._meta.app_label != field.model._meta.app_label


@pytest.mark.parametrize("field", FOREIGN_KEYS, ids=str)
def test_foreign_keys_point_down_and_protect(field: "models.ForeignKey[models.Model, models.Model]") -> None:
    if crosses(field):
        above, below = field.model._meta.app_label, field.related_model._meta.app_label
        assert HEIGHT[below] < HEIGHT[above], f"{field} points up or sideways"
        assert field.remote_field.related_name == "+", f"{field} may not be walked backwards from the app below"
    assert field.remote_field.on_delete is models.PROTECT, f"{field} must not delete or orphan rows by itself"


def test_every_model_has_its_own_prefix_or_none() -> None:
    prefixes = [model.PREFIX for config in OURS for model in config.get_models() if getattr(model, "PREFIX", "")]

    assert len(prefixes) == len(set(prefixes))


def test_no_model_orders_itself() -> None:
    assert [model for config in OURS for model in config.get_models() if model._meta.ordering] == []


@pytest.mark.parametrize(
    ("pattern", "allowed", "why"),
    [
        (
            r"\bselect_for_update\b|FOR (NO KEY )?UPDATE",
            r"/(locks|sql)\.py$|^apps/core/(relay|lost_hints|handler_runs)\.py$|^apps/catalog/(models/stock\.py$|migrations/)",
            "locks.py says who locks what, and a trigger what it locks",
        ),
        (
            r"django\.dispatch|(?<!def )(?<!field\.)(?<!\]\.)\b(pre|post)_(save|delete|init)\b",
            r"^$",
            "signals hide the flow",
        ),
        (r"apps\.get_model\(", r"/migrations/", "it goes around the import rules"),
        (r"GenericForeignKey", r"^$", "only events point at anything, by plain columns"),
        (
            r"\btransaction\.atomic\b",
            r"^apps/core/(transactions|audit|long_queries)\.py$|^apps/accounts/services/rate_limits\.py$|^apps/backoffice/sql/",
            "a caught error must not roll back silently what follows it: use apps.core.transactions",
        ),
        (r"\bdurable=True", r"^$", "services are called inside the idempotency transaction"),
        (r"\bdatetime\.now\(|\btimezone\.now\(", r"^apps/core/clock\.py$", "the clock is asked by what starts code"),
        (r"TODO|FIXME|XXX", r"^$", "what is not done is not merged"),
    ],
)
def test_pattern_occurs_only_in_its_module(pattern: str, allowed: str, why: str) -> None:
    strays = [
        f"{path}:{number}"
        for path in sorted(str(found.relative_to(ROOT)) for found in ROOT.glob("apps/**/*.py"))
        if not re.search(allowed, path)
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]

    assert strays == [], why


def test_what_the_database_fills_in_is_known_before_the_row_is_saved() -> None:
    """An event tells a row's values as it is written; a default of the database alone would be an expression by then."""
    unknown = [
        str(field)
        for config in OURS
        for model in config.get_models()
        for field in model._meta.concrete_fields
        if field.has_db_default() and not field.has_default()
    ]

    assert unknown == []
