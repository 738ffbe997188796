"""
Where rendered evidence packs are kept: the default storage, one file per dispute, named by what it says.

They are copies: whatever is lost is rendered again, so there is no row of them.
"""

import contextlib
import secrets
from pathlib import Path

from django.core.files.storage import default_storage

from apps.core.errors import Unavailable

_FOLDER = "dispute-evidence"


class EvidenceNotStored(Unavailable):
    """The PDF of a dispute's evidence could not be written. The operator checks `DOCUMENTS_DIR`."""

    message = "The evidence for dispute {0} could not be stored: {1}."


def read(dispute_id: str, fingerprint: str) -> bytes | None:
    """Return the evidence pack of a dispute (public id) that says just this, or None."""
    try:
        return _path(dispute_id, fingerprint).read_bytes()
    except OSError:
        return None


def store(dispute_id: str, fingerprint: str, content: bytes) -> None:
    """
    Store an evidence pack instead of the dispute's earlier ones; it appears whole or not at all.

    :raises EvidenceNotStored: if the disk is full, read-only or gone
    """
    path = _path(dispute_id, fingerprint)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise EvidenceNotStored(dispute_id, error.strerror or "unknown reason") from error
    for earlier in path.parent.glob("*.pdf"):
        if earlier != path:
            with contextlib.suppress(OSError):
                earlier.unlink(missing_ok=True)


def _path(dispute_id: str, fingerprint: str) -> Path:
    return Path(default_storage.path(f"{_FOLDER}/{dispute_id}/{fingerprint}.pdf"))
