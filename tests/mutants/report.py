"""The report of a run: how many faults the tests killed and the audit found, and what survived."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from tests.mutants.places import ROOT, Place
from tests.mutants.runner import Result

PAGE: Final = ROOT / "docs" / "reports" / "mutants.md"
_EQUIVALENT: Final = Path(__file__).with_name("equivalent.yaml")
KILLED_GOAL: Final = 95
FOUND_GOAL: Final = 85


def read_equivalents() -> dict[str, str]:
    """Return the reasons for which a fault is none, by the place's id."""
    return {str(key): str(reason) for key, reason in (yaml.safe_load(_EQUIVALENT.read_text("utf-8")) or {}).items()}


def is_survivor(result: Result) -> bool:
    """Return whether the tests were run and did not kill it."""
    return result.outcome not in ("killed", "not run")


def is_missed(result: Result) -> bool:
    """Return whether it left other rows without an error, and the audit found nothing."""
    return bool(result.reached) and not result.loud and not result.violated


def write_report(places: Sequence[Place], results: Mapping[str, Result], *, seed: int) -> str:
    """Write the page about the results of a seed and return it."""
    text = "\n".join(_lines(places, results, seed))
    PAGE.write_text(text + "\n", "utf-8")
    return text


def percentage(part: int, whole: int) -> str:
    """Return a share with one decimal, cut and not rounded, so that 94.99 % is never said to be 95 %."""
    return f"{part * 1000 // whole / 10:.1f} %" if whole else "none"


def count(results: Iterable[Result]) -> Counter[str]:
    """Return how many faults were killed, judged, reached rows, and of these were found by the audit; equivalents are left out."""
    equivalents = read_equivalents()
    counted: Counter[str] = Counter()
    for result in results:
        if result.id in equivalents:
            counted["equivalent"] += 1
            continue
        if result.outcome != "not run":
            counted["judged"] += 1
            counted[result.outcome] += 1
        if result.loud:
            counted["loud"] += 1
        elif result.reached:
            counted["reached"] += 1
            counted["found"] += bool(result.violated)
    return counted


def _lines(places: Sequence[Place], results: Mapping[str, Result], seed: int) -> list[str]:
    equivalents = read_equivalents()
    counted = count(results.values())
    killed = percentage(counted["killed"], counted["judged"])
    found = percentage(counted["found"], counted["reached"])
    lines = [
        "# Mutants",
        "",
        f"Faults of seed {seed}: {len(places)}; judged: {len(results)}. How it is done: [docs/mutants.md](../mutants.md).",
        "",
        f"- Killed by tests: {counted['killed']} of {counted['judged']}, {killed} (goal: {KILLED_GOAL} %).",
        f"- Ended a request or a handler with an error: {counted['loud']}; not counted in the next line.",
        f"- Left other rows: {counted['reached']}; found by the audit: {counted['found']}, {found} (goal: {FOUND_GOAL} %).",
        f"- Equivalent, and left out above: {counted['equivalent']}.",
        "",
        "| App | Judged | Killed | Reached rows | Found by the audit |",
        "|---|---|---|---|---|",
    ]
    apps: dict[str, list[Result]] = {}
    for place in places:
        if place.id in results:
            apps.setdefault(place.app, []).append(results[place.id])
    for app, of_app in sorted(apps.items()):
        one = count(of_app)
        lines.append(f"| {app} | {one['judged']} | {one['killed']} | {one['reached']} | {one['found']} |")
    survivors = [one for one in results.values() if is_survivor(one) and one.id not in equivalents]
    lines += ["", "## Not killed", ""]
    lines += [f"- `{one.id}` ({one.outcome}): {_code(one.words)}" for one in survivors] or ["None."]
    missed = [one for one in results.values() if is_missed(one) and one.id not in equivalents]
    lines += ["", "## Rows that the audit did not find", ""]
    lines += [f"- `{one.id}`: {_code(one.words)}; rows of {', '.join(one.reached)}" for one in missed] or ["None."]
    lines += ["", "## Equivalent", ""]
    lines += [f"- `{one.id}`: {equivalents[one.id]}" for one in results.values() if one.id in equivalents] or ["None."]
    return lines


def _code(words: str) -> str:
    return "`" + " ".join(words.split()).replace("`", "'") + "`"


def as_line(result: Result) -> dict[str, Any]:
    """Return what the terminal shows of a result."""
    audit = (
        "failed with an error"
        if result.loud
        else "the audit found it"
        if result.violated
        else "not seen by the audit"
        if result.reached
        else "no other rows"
    )
    return {"outcome": result.outcome, "id": result.id, "by": result.killed_by, "audit": audit}
