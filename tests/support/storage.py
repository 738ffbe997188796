"""Where documents are kept during a test."""

from contextlib import AbstractContextManager
from pathlib import Path

from django.conf import settings
from django.test import override_settings


def documents_in(directory: Path) -> AbstractContextManager[None]:
    """Keep documents in a directory until the end of the context."""
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(directory)}}
    kept: AbstractContextManager[None] = override_settings(STORAGES={**settings.STORAGES, "default": storage})
    return kept
