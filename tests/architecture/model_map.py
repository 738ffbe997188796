"""`docs/models.md`, written from the models: their keys and relations, one diagram per app and one across apps."""

import textwrap
from collections.abc import Iterator
from typing import Any

_INTRODUCTION = """\
# Models

The tables of Bahi with their keys and relations. Written by `make maps`; do not edit. Other columns are in each app's
`models`. `PK` is a primary key, `FK` a foreign key, `UK` a value that no two rows share; `reference` is the id of a
row to which the database has no foreign key. Foreign keys point to the same app or to an app below it.
"""
_TYPES = {"UUIDField": "uuid", "BigAutoField": "bigint", "BigIntegerField": "bigint", "DateField": "date"}


def render_models() -> str:
    """Return the page of all models."""
    models = list_models()
    lines = [
        *_INTRODUCTION.splitlines(),
        "",
        "## Across apps",
        "",
        "The relations that cross the border of an app.",
        "",
    ]
    lines += _diagram([line for model in models for line in _relations(model, across=True)])
    for app in dict.fromkeys(model._meta.app_label for model in models):
        own = [model for model in models if model._meta.app_label == app]
        lines += ["", f"## {app}", ""]
        for model in own:
            lines += textwrap.wrap(f"- `{model._meta.db_table}`: {_purpose(model)}", 118, subsequent_indent="  ")
        entities = [line for model in own for line in _entity(model)]
        lines += ["", *_diagram(entities + [line for model in own for line in _relations(model)])]
    return "\n".join(lines) + "\n"


def list_models() -> list[Any]:
    """Return every model of Bahi by app and name: the tables that its own migrations make."""
    from django.apps import apps

    found = [model for model in apps.get_models() if model.__module__.startswith("apps.")]
    return sorted(found, key=lambda model: (model._meta.app_label, model.__name__))


def _diagram(lines: list[str]) -> list[str]:
    return ["```mermaid", "erDiagram", *(f"    {line}" for line in lines), "```"]


def _purpose(model: Any) -> str:
    return str(model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _entity(model: Any) -> Iterator[str]:
    yield f"{model.__name__} {{"
    for field in model._meta.concrete_fields:
        if key := _key_of(field):
            notes = [f"unique with {' and '.join(others)}" for others in _unique_with(model, field) if others]
            if not (field.primary_key or field.is_relation or field.unique or notes):
                notes = ["reference"]
            comment = f' "{"; ".join(notes)}"' if notes else ""
            yield f"    {_type_of(field)} {field.attname} {key}".rstrip() + comment
    yield "}"


def _key_of(field: Any) -> str:
    """Return what kind of key a column is; a space for one that is only part of a key, nothing for any other column."""
    is_primary = field in field.model._meta.pk_fields
    keys = [name for name, found in (("PK", is_primary), ("FK", field.is_relation)) if found]
    if field.unique and not is_primary:
        keys.append("UK")
    is_reference = field.get_internal_type() == "UUIDField"
    return ", ".join(keys) or (" " if is_reference or _unique_with(field.model, field) else "")


def _unique_with(model: Any, field: Any) -> list[list[str]]:
    """Return, for each unique constraint that a column begins, the other columns of it."""
    return [
        [model._meta.get_field(name).attname for name in constraint.fields[1:]]
        for constraint in model._meta.constraints
        if getattr(constraint, "fields", ())[:1] == (field.name,) and constraint.condition is None
    ]


def _type_of(field: Any) -> str:
    kind = (field.target_field if field.is_relation else field).get_internal_type()
    return _TYPES.get(kind, "text")


def _relations(model: Any, *, across: bool = False) -> Iterator[str]:
    for field in model._meta.concrete_fields:
        if field.is_relation:
            target = field.related_model
            if across and target._meta.app_label == model._meta.app_label:
                continue
            at_most_one = field.unique or [] in _unique_with(model, field)
            yield (
                f"{target.__name__} {'|o' if field.null else '||'}--{'o|' if at_most_one else 'o{'} "
                f"{model.__name__} : {field.name}"
            )
