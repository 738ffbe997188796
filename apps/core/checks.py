"""What `manage.py check` finds out about the machine that it runs on."""

from tempfile import TemporaryFile
from typing import Any

from django.conf import settings
from django.core import checks


@checks.register
def check_documents_dir(**_options: Any) -> list[checks.CheckMessage]:
    """Warn if no document can be kept; no error, because a machine that renders none needs no directory."""
    directory = settings.DOCUMENTS_DIR
    try:
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        with TemporaryFile(dir=existing):
            return []
    except OSError as error:
        text = f"DOCUMENTS_DIR names {str(directory)!r}, where this process cannot store documents ({error.strerror})."
        return [
            checks.Warning(
                text, hint="Create it for the user that the web and worker processes run as.", id="bahi.W001"
            )
        ]
