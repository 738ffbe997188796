"""Filters of the list of exceptions."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.core import ids
from apps.core.api import QueryFilterSet, ReadFilter
from apps.core.api.filters import choices_schema, id_pattern
from apps.core.errors import Invalid, NotFound
from apps.ledger.states import ExceptionReason

_MAX_VALUES = 50


class UnknownExceptionReason(Invalid):
    """`reason` names a reason that exceptions do not have. Choose from those that the message names."""

    message = "There is no reason {0}. There are: {1}."


class UnknownExceptionState(Invalid):
    """`state` is neither open nor resolved. Send one of the two."""

    message = "state must be open or resolved."


class InvalidOwner(Invalid):
    """`owner_id` is not the id of a person, `me` or `none`. Send one of these."""

    message = "owner_id must be an id of the form cus_..., me, or none."


def _read_reasons(text: str) -> tuple[str, ...]:
    wanted = tuple(sorted(set(text.split(",", _MAX_VALUES))))
    for one in wanted:
        if one not in ExceptionReason.values:
            raise UnknownExceptionReason(one[:40], ", ".join(sorted(ExceptionReason.values)), param="reason")
    return wanted


def _read_is_open(text: str) -> bool:
    if text not in ("open", "resolved"):
        raise UnknownExceptionState(param="state")
    return text == "open"


def _read_owner(text: str) -> str | UUID:
    if text in ("me", "none"):
        return text
    try:
        return ids.decode("cus", text)
    except NotFound as error:
        raise InvalidOwner(param="owner_id") from error


class ExceptionFilterSet(QueryFilterSet):
    """Filters of exceptions by reason, state and owner."""

    reason = ReadFilter(
        lookup_expr="in",
        read=_read_reasons,
        schema=choices_schema(ExceptionReason.values),
        description="One or more reasons, separated by commas.",
    )
    state = ReadFilter(
        field_name="resolved_at",
        lookup_expr="isnull",
        read=_read_is_open,
        schema={"type": "string", "enum": ["open", "resolved"]},
    )
    owner_id = ReadFilter(
        method="filter_owner",
        read=_read_owner,
        schema={"type": "string", "pattern": f"{id_pattern('cus')}|^me$|^none$"},
        description="The owner: the id of a member of staff, `me`, or `none` for exceptions without an owner.",
    )

    def filter_owner(self, exceptions: "QuerySet[Any]", _: str, owner: Any) -> "QuerySet[Any]":
        if owner == "none":
            return exceptions.filter(owner_id__isnull=True)
        return exceptions.filter(owner_id=self.request.user.pk if owner == "me" else owner)
