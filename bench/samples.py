"""What a load of many users has seen: when each request was due, sent and answered, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.http_load import Answer
from bench.percentiles import percentile
from bench.table import format_columns

_SHARES = (0.50, 0.95, 0.99, 1.0)
_HEADINGS = ("work", "requests", "p50 ms", "p95 ms", "p99 ms", "max ms", "errors")
ALL = "all requests"
NO_ANSWER = "no answer"
#: Not a request but a wait: from the approval of a payment until its order is confirmed.
CONFIRM = "confirm order"


@dataclass(frozen=True)
class Sample:
    """
    One request. Instants are in seconds by one clock.

    :param due: when it was to be sent; its latency counts from here, also if it was sent later
    :param error: what went wrong, or an empty text
    """

    work: str
    due: float
    sent: float
    ended: float
    error: str = ""

    @property
    def latency(self) -> float:
        """Return the seconds from the instant at which it was due to its answer."""
        return self.ended - self.due


def kind_of(answer: Answer) -> str:
    """Return the kind of error that an answer is: its status, with the code of the error if it has one."""
    try:
        body = answer.json()
    except ValueError:
        return str(answer.status)
    error = body.get("error") if isinstance(body, dict) else None
    return f"{answer.status} {error['code']}" if isinstance(error, dict) and "code" in error else str(answer.status)


def kind_of_failure(error: Exception) -> str:
    """Return the kind of error of a request without an answer."""
    return "timed out" if isinstance(error, TimeoutError) else NO_ANSWER


def format_samples(samples: Sequence[Sample]) -> str:
    """Return a table of latencies and errors, a row per work and one for all of them."""
    works = sorted({sample.work for sample in samples})
    rows = [_row(work, [sample for sample in samples if sample.work == work]) for work in works]
    requests = [sample for sample in samples if sample.work != CONFIRM]
    return format_columns(_HEADINGS, [*rows, _row(ALL, requests)])


def _row(work: str, samples: Sequence[Sample]) -> list[str]:
    latencies = [sample.latency for sample in samples if not sample.error]
    errors = Counter(sample.error for sample in samples if sample.error)
    kinds = ", ".join(f"{count} {error}" for error, count in errors.most_common()) or "0"
    return [work, f"{len(samples):,}", *(f"{percentile(latencies, share) * 1000:,.1f}" for share in _SHARES), kinds]
