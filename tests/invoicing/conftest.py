"""Documents of a test go to a directory of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.test import override_settings

from apps.core import clock
from apps.payments import services


@pytest.fixture(autouse=True)
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The directory that holds this test's PDFs."""
    options = {"location": str(tmp_path)}
    with override_settings(
        STORAGES={"default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": options}}
    ):
        assert default_storage.path("x").startswith(str(tmp_path))
        yield tmp_path


@pytest.fixture
def books(db: None) -> None:
    """The accounts that every book has."""
    services.set_up_reference_data(now=clock.now())
