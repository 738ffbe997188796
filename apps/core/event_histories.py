"""
What events say of the rows that they are about: read once, for all invariants that ask.

Events are the largest table by far, and more than half of the checks of events would read it as a whole. `event_histories`
is one pass over it: a scan, a sort by subject and what follows from these, so that its time grows as the number of events,
whatever the planner thinks of the size.
"""

from collections.abc import Mapping, Sequence

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.models import NOT_DELETED, Subject


def event_histories() -> str:
    """
    Return queries for a WITH, by which an invariant reads events.

    - `recorded`: each event, with the status and the `RECORDED_FIELDS` that it records, and the last word of its type
    - `history`: each subject, with its number of events, the first and last version, and the last status
    - `moves`: each event that records a status, with the one before
    - `present`: the rows themselves, with version and status; the status is null where no event records it
    - `kept_kind`: the kinds of rows that are never deleted, so that their events have a row
    """
    fields: Mapping[str, Sequence[str]] = import_string(settings.RECORDED_FIELDS)
    columns = "".join(
        f", CASE WHEN subject_type = '{kind}' THEN changes ->> '{name}' END AS {name}"
        for kind, names in fields.items()
        for name in names
    )
    # Both keys begin with the id, which differs in its first bytes: a sort by the few kinds would compare all of each.
    # The last status is the greatest of those with their version in front: an aggregate that keeps one value, and no list.
    return f"""
        recorded AS MATERIALIZED (
            SELECT id, subject_id, subject_type, version, root_id IS NOT NULL AS has_root, changes ->> 'status' AS status,
                   split_part(type, '.', 3) AS action{columns}
            FROM core_event
        ), history AS MATERIALIZED (
            SELECT subject_id, subject_type, count(*) AS events, min(version) AS first_version, max(version) AS version,
                   substr(max((lpad(version::text, 10, '0') || status) COLLATE "C"), 11) AS status
            FROM recorded GROUP BY subject_id, subject_type
        ), moves AS NOT MATERIALIZED (
            SELECT subject_id, subject_type, version, status,
                   lag(status) OVER (PARTITION BY subject_id, subject_type ORDER BY version) AS previous
            FROM recorded WHERE status IS NOT NULL
        ), present AS NOT MATERIALIZED (
            {" UNION ALL ".join(_rows_of(model) for model in _subjects())}
        ), kept_kind (kind) AS (
            VALUES {", ".join(f"('{kind}')" for kind in _kept_kinds())}
        )
    """  # noqa: S608 - names of our own


def _kept_kinds() -> list[str]:
    return [model._meta.label_lower for model in _subjects() if NOT_DELETED in getattr(model._meta, "triggers", ())]


def _subjects() -> list[type[Subject]]:
    """Models are found by their class, so that a new one is checked without being named."""
    return [model for model in apps.get_models() if issubclass(model, Subject)]


def _rows_of(model: type[Subject]) -> str:
    has_status = any(field.name == "status" for field in model._meta.concrete_fields)
    unrecorded = ", ".join(f"'{each}'" for each in sorted(model.STATUSES_NOT_IN_EVENTS))
    status = f"CASE WHEN status NOT IN ({unrecorded}) THEN status::text END" if unrecorded else "status::text"
    return f"""
        SELECT id, '{model._meta.label_lower}'::text AS kind, version, {status if has_status else "NULL::text"} AS status
        FROM {model._meta.db_table}
    """  # noqa: S608 - names of our own
