"""`make clean`: remove what was made in this checkout, and what it keeps elsewhere."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from devtools import data_dirs
from devtools.embedded import CHECKOUT, STATE

_CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis")
_MADE = (".venv", "staticfiles", "documents", "htmlcov", *_CACHES)


def main() -> int:
    """Remove it all, unless servers of this checkout run; return the exit code."""
    kept = [path.parent for path in STATE.glob("*/lock")]
    if held := [path for path in kept if data_dirs.is_locked(path)]:
        print(f"make clean: The servers of {held[0]} are running. Stop them first.", file=sys.stderr)
        return 1
    for pointer in STATE.glob("*/elsewhere"):
        moved = Path(pointer.read_text().strip())
        if (moved / "pointer").exists():
            shutil.rmtree(moved, ignore_errors=True)
    for name in _MADE:
        shutil.rmtree(CHECKOUT / name, ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)
    for cache in CHECKOUT.rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    return 0
