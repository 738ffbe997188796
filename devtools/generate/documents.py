"""The files of generated documents: one small page stands in for all of them, under as many names as there are documents."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from django.core.files.storage import FileSystemStorage, default_storage

from devtools.generate.played_world import STAND_IN_PDF

#: Fewer than any file system allows one file to have.
_NAMES_OF_A_FILE: Final = 30_000


class DocumentsNotWritten(RuntimeError):
    """The directory of documents cannot take the files; the message says why."""


def require_directory() -> None:
    """
    Make sure that documents are kept in a directory of this machine.

    :raises DocumentsNotWritten: if they are kept elsewhere
    """
    # The storage is made lazily, so that its class is asked for and not that of what stands for it.
    if not issubclass(default_storage.__class__, FileSystemStorage):
        raise DocumentsNotWritten("Documents are kept in a storage that is no directory of this machine.")


@contextlib.contextmanager
def written(paths: Callable[[], Iterable[str]], *, on_progress: Callable[[int], None]) -> Iterator[None]:
    """
    Give the stand-in page all names, and take them back if the block or the writing fails.

    :param paths: return the names, below the directory of documents, each time the same ones
    :raises DocumentsNotWritten: if the disk refuses them
    """
    with contextlib.ExitStack() as undo:
        undo.callback(_remove, paths)
        try:
            _write(paths(), on_progress)
        except OSError as error:
            raise DocumentsNotWritten(f"The files of documents cannot be written: {error.strerror}.") from error
        yield
        undo.pop_all()


def _write(paths: Iterable[str], on_progress: Callable[[int], None]) -> None:
    first: Path | None = None
    folders: set[Path] = set()
    for count, path in enumerate(paths):
        target = Path(default_storage.path(path))
        if target.parent not in folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.add(target.parent)
        # One that is left over from a run that was killed is the same page.
        target.unlink(missing_ok=True)
        if first is None or count % _NAMES_OF_A_FILE == 0:
            target.write_bytes(STAND_IN_PDF)
            first = target
        else:
            os.link(first, target)
        on_progress(count)


def _remove(paths: Callable[[], Iterable[str]]) -> None:
    for path in paths():
        with contextlib.suppress(OSError):
            Path(default_storage.path(path)).unlink()
