"""The floor under what the tests cover of the code that decides about money."""

import json
from pathlib import Path
from typing import Any

import pytest

from devtools import coverage


def write_report(path: Path, **files: tuple[int, int, int, int]) -> Path:
    """Write a report of SlipCover: by file, lines and branches that were run, and lines and branches that were not."""
    names = ("covered_lines", "covered_branches", "missing_lines", "missing_branches")
    summaries: dict[str, Any] = {
        name: {"summary": dict(zip(names, figures, strict=True))} for name, figures in files.items()
    }
    path.write_text(json.dumps({"files": summaries}))
    return path


class TestMain:
    @pytest.mark.parametrize(
        ("missing", "code", "share"), [((8, 2), 0, "90.0 %"), ((8, 3), 1, "89.1 %")], ids=["at the floor", "below it"]
    )
    def test_fails_below_the_floor(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], missing: tuple[int, int], code: int, share: str
    ) -> None:
        figures = {"apps/orders/services/placement.py": (60, 20, 4, 1), "apps/tax/rules.py": (10, 0, 0, 0)}
        more = {
            "apps/orders/services.py": (0, 0, missing[0] - 4, missing[1] - 1),
            "apps/orders/views.py": (0, 0, 900, 90),
        }
        report = write_report(tmp_path / "coverage.json", **figures, **more)

        assert coverage.main(report) == code
        assert share in capsys.readouterr().out

    @pytest.mark.parametrize("content", [None, "", "[]", '{"files": {}}'])
    def test_passes_no_report(self, tmp_path: Path, content: str | None) -> None:
        report = tmp_path / "coverage.json"
        if content is not None:
            report.write_text(content)

        assert coverage.main(report) != 0


@pytest.mark.parametrize(
    ("name", "decides"),
    [
        ("apps/orders/services.py", True),
        ("apps/payments/services/refunds/requests.py", True),
        ("apps/tax/rules/tax_rates.py", True),
        ("apps/orders/views.py", False),
        ("apps/core/admin_site.py", False),
        ("config/services.py", False),
        ("apps.py", False),
    ],
)
def test_services_and_rules_decide_about_money(name: str, decides: bool) -> None:
    assert coverage.decides_about_money(name) is decides
