"""
Where documents are kept: the default storage, a directory (DOCUMENTS_DIR).

A file appears under its name at once and whole, or not at all: it is written aside, forced to the disk, then renamed.
"""

import contextlib
import hashlib
import os
import secrets
from pathlib import Path

from django.core.files.storage import default_storage

from apps.core.errors import Unavailable


class DocumentStorageFailed(Unavailable):
    """
    A PDF could not be written to its directory.

    The operator checks `DOCUMENTS_DIR`; it is written again automatically.
    """

    message = "The document {0} could not be stored: {1}."


def sha256_of(content: bytes) -> str:
    """Return the hash by which a document is known."""
    return hashlib.sha256(content).hexdigest()


def write_temporary(path: str, content: bytes) -> Path:
    """
    Write a document next to its place and return where; nothing is left behind if that fails.

    :raises DocumentStorageFailed: if the disk is full, read-only or gone
    """
    target = Path(default_storage.path(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        discard(temporary)
        raise DocumentStorageFailed(path, error.strerror or "unknown reason") from error
    return temporary


def move_into_place(temporary: Path, path: str) -> None:
    """
    Give a document that was written aside its name.

    :raises DocumentStorageFailed: if it cannot be renamed
    """
    target = Path(default_storage.path(path))
    try:
        temporary.replace(target)
        _sync_directory(target.parent)
    except OSError as error:
        raise DocumentStorageFailed(path, error.strerror or "unknown reason") from error


def discard(temporary: Path) -> None:
    """Remove what was written aside, if it is still there."""
    with contextlib.suppress(OSError):
        temporary.unlink(missing_ok=True)


def read(path: str) -> bytes | None:
    """Return a document's bytes, or None if they cannot be read."""
    try:
        with default_storage.open(path, "rb") as file:
            content: bytes = file.read()
            return content
    except OSError:
        return None


def _sync_directory(directory: Path) -> None:
    # Else a power cut could forget the name of a file whose row is committed.
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
