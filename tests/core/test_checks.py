"""What `manage.py check` says of the machine that it runs on."""

from pathlib import Path
from typing import Any

import pytest

from apps.core.checks import check_documents_dir


class TestDocumentsDir:
    @pytest.mark.parametrize("name", ["", "documents", "years/2026/documents"])
    def test_one_that_can_be_written_or_made_is_fine(self, name: str, tmp_path: Path, settings: Any) -> None:
        settings.DOCUMENTS_DIR = tmp_path / name

        assert check_documents_dir() == []
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("path", ["/proc/nope", "/dev/null", "/dev/null/documents"])
    def test_one_where_no_document_can_be_kept_is_a_warning(self, path: str, settings: Any) -> None:
        settings.DOCUMENTS_DIR = Path(path)

        [warning] = check_documents_dir()

        assert (warning.id, warning.is_serious()) == ("bahi.W001", False)
        assert warning.msg.startswith(f"DOCUMENTS_DIR names {path!r}, where this process cannot store documents (")
