"""Fixtures of the books, and of a directory of its own for the documents of each test. A conftest imports them."""

from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage

from apps.invoicing.gateways import pdf_files


@pytest.fixture(autouse=True)
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory that holds this test's PDFs."""
    monkeypatch.setattr(pdf_files, "default_storage", FileSystemStorage(location=str(tmp_path)))
    return tmp_path


@pytest.fixture
def books(reference_data: None) -> None:
    """The accounts that every book has."""
