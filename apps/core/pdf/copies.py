"""
Rendered documents that are only copies: a lost one is rendered again, so no row records them.

A copy is named by a hash of its data, so that an outdated copy is never shown.
"""

import contextlib
import hashlib
import json
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

from apps.core.errors import Unavailable


class CopyNotStored(Unavailable):
    """A rendered document could not be written to its directory. The operator checks `DOCUMENTS_DIR`; it is rendered again on request."""

    message = "The document of {0} could not be stored: {1}."
    #: Published when evidence was the only document that is kept as a copy.
    code = "evidence_not_stored"


def fingerprint(data: Mapping[str, Any]) -> str:
    """Return the name of the copy with exactly this data: a hash of it."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def read_copy(folder: str, subject: str, name: str) -> bytes | None:
    """Return the copy of a subject (public id) with this fingerprint, or None."""
    try:
        return _path(folder, subject, name).read_bytes()
    except OSError:
        return None


def store_copy(folder: str, subject: str, name: str, content: bytes) -> None:
    """
    Store a copy in place of the subject's earlier ones; it appears whole or not at all.

    :raises CopyNotStored: if the disk is full, read-only or gone
    """
    path = _path(folder, subject, name)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise CopyNotStored(subject, error.strerror or "unknown reason") from error
    for earlier in path.parent.glob("*.pdf"):
        if earlier != path:
            with contextlib.suppress(OSError):
                earlier.unlink(missing_ok=True)


def delete_copies(folder: str, subject: str) -> None:
    """
    Delete all copies of a subject; none is no error.

    :raises CopyNotStored: if the disk refuses it
    """
    directory = _path(folder, subject, "any").parent
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CopyNotStored(subject, error.strerror or "unknown reason") from error


def _path(folder: str, subject: str, name: str) -> Path:
    return Path(default_storage.path(f"{folder}/{subject}/{name}.pdf"))
