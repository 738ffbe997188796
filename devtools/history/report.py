"""What a run found, in plain sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from devtools.history.checker import Anomaly, History

_AREAS = {
    "order": "orders", "unit": "units of stock", "rupee": "money", "read": "reads that contradict each other",
    "answer": "answers that no client should get", "audit": "invariants of the audit", "process": "processes",
}  # fmt: skip
_SHOWN = 5
#: A reader would otherwise take the page for a proof of everything.
_NOT_COVERED = (
    "Not covered: parcels and what becomes of them, holding orders, disputes, payment links and QR codes, settlements and bank\n"
    "statements. Nobody packs or sends anything in such a run."
)


def format_report(history: History, anomalies: Sequence[Anomaly]) -> str:
    """Return the report of a run as text: what was done, what was injected, and what was found."""
    parts = [_describe_run(history), _describe_load(history), _describe_faults(history)]
    return "\n\n".join([*parts, _describe_state(history), _describe_anomalies(anomalies)])


def format_page(report: str) -> str:
    """Return the page of a report, which also says what such a run does not cover."""
    title = "# The history checker\n\nWritten by `devtools history --report`; do not edit."
    return f"{title}\n\n```text\n{report}\n```\n\n{_NOT_COVERED}\n"


def _describe_run(history: History) -> str:
    start = history.start
    mutant = f" The mutant {start['mutant']} was planted." if start.get("mutant") else ""
    return (
        f"Seed {start.get('seed')}: {start.get('customers')} customers and four members of staff used the shop at once for"
        f" {history.last_at - history.first_at:.0f} s.{mutant}"
    )


def _describe_load(history: History) -> str:
    operations = list(history.operations.values())
    attempts = [attempt for operation in operations for attempt in operation.attempts]
    seconds = max(history.last_at - history.first_at, 1.0)
    unanswered = sum(attempt.status is None for attempt in attempts)
    kinds = Counter(operation.kind for operation in operations)
    accepted, refused, unknown = (
        sum(getattr(operation, name) for operation in operations)
        for name in ("is_accepted", "is_refused", "is_unknown")
    )
    lines = [
        f"{len(operations):,} operations in {len(attempts):,} requests, {len(operations) / seconds:.1f} operations a second.",
        f"{accepted:,} were accepted, {refused:,} refused, and the outcome of {unknown:,} is not known to their clients.",
        f"{unanswered:,} requests got no answer; {sum(attempt.is_replayed for attempt in attempts):,} answers were replayed.",
        "Statuses: " + _counts(Counter(str(attempt.status) for attempt in attempts if attempt.status is not None)),
        "Operations: " + _counts(kinds),
    ]
    return "\n".join(lines)


def _describe_faults(history: History) -> str:
    lines = [f"{sum(history.faults.values()):,} faults were injected: " + _counts(history.faults)]
    if history.cuts:
        before, after = history.cuts["before"], history.cuts["after"]
        lines.append(f"{before:,} requests were cut before they arrived, and {after:,} answers were lost.")
    return "\n".join(lines)


def _describe_state(history: History) -> str:
    final = history.final
    captured = [row for row in final["gateway_payments"] if row["captured_at"] is not None]
    lines = [
        f"At the end there are {len(final['orders']):,} orders ("
        + _counts(Counter(row["status"] for row in final["orders"]))
        + ").",
        f"The gateway captured {len(captured):,} payments and made {len(final['gateway_refunds']):,} refunds; we have"
        f" {len(final['refunds']):,} refunds (" + _counts(Counter(row["status"] for row in final["refunds"])) + ").",
    ]
    return "\n".join(lines)


def _describe_anomalies(anomalies: Sequence[Anomaly]) -> str:
    if not anomalies:
        return "No order, no unit and no rupee was lost or doubled, and every invariant of the audit holds."
    lines = [f"FOUND: {len(anomalies):,} anomalies."]
    for kind, count in Counter((one.area, one.kind) for one in anomalies).most_common():
        lines.append(f"- {kind[1]} ({_AREAS[kind[0]]}): {count}")
        shown = [one for one in anomalies if (one.area, one.kind) == kind][:_SHOWN]
        lines += [f"    {one.sentence[:600]}" for one in shown]
    return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counter.most_common()) or "none"
