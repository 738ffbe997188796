"""What the tests have covered, as SlipCover wrote it: the floor under the code that decides about money."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from devtools.embedded import STATE

REPORT = STATE / "coverage.json"
#: Of lines and branches of the services and rules of all apps, together, in per cent.
FLOOR = 90.0


def main(report: Path = REPORT) -> int:
    """Print how much of the services and rules the last `make test` covered; return 1 below the floor."""
    try:
        files = json.loads(report.read_text())["files"]
    except (OSError, ValueError, KeyError, TypeError):
        print(f"coverage: {report} is not a report. Run `make test` first.", file=sys.stderr)
        return 2
    percent = covered({name: file["summary"] for name, file in files.items() if decides_about_money(name)})
    print(f"coverage: {percent:.1f} % of the lines and branches of services and rules; the minimum is {FLOOR:.0f} %")
    return int(percent < FLOOR)


def decides_about_money(name: str) -> bool:
    """Return whether a file belongs to the services or rules of an app."""
    top, _, layer = [*Path(name).with_suffix("").parts, "", ""][:3]
    return top == "apps" and layer in ("services", "rules")


def covered(summaries: dict[str, dict[str, Any]]) -> float:
    """Return the share of lines and branches that were run, in per cent; of nothing it is 0."""
    run = sum(each["covered_lines"] + each.get("covered_branches", 0) for each in summaries.values())
    missed = sum(each["missing_lines"] + each.get("missing_branches", 0) for each in summaries.values())
    return 100.0 * run / (run + missed) if run else 0.0
