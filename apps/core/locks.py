"""Row locks that every app takes alike."""

from typing import TypeVar
from uuid import UUID

from django.db import models

from apps.core.rows import find_row

Row = TypeVar("Row", bound=models.Model)


def lock_row(model: type[Row], pk: UUID, *, missing: type[Exception]) -> Row:
    """
    Lock a row by its primary key and return it as it is now; rows that refer to it can still be added.

    :raises Exception: `missing`, if there is none
    """
    row = find_row(model, "WHERE it.id = $1 FOR NO KEY UPDATE", [str(pk)])
    if row is None:
        raise missing
    return row
