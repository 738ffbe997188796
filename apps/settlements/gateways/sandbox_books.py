"""Reads over HTTP what the sandbox gateway has recorded, to compare it with our books."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.http import Client, NoResponse

_TRUTH = "/__sim__/truth"


class SandboxBooksUnavailable(Exception):
    """The sandbox did not answer, or its answer is not its books."""


@dataclass(frozen=True)
class SandboxBooks:
    """
    Captured payments, fees, refunds, disputes and settlements of the sandbox, by the gateway's id.

    Each value is a text to compare, such as `processed 5000`: the gateway's own status, then paise.
    """

    payments: Mapping[str, str]
    fees: Mapping[str, str]
    refunds: Mapping[str, str]
    disputes: Mapping[str, str]
    settlements: Mapping[str, str]


def read_sandbox_books(base_url: str) -> SandboxBooks:
    """
    Return the books of a sandbox.

    :raises SandboxBooksUnavailable: if it does not respond, or its response is not its books
    """
    try:
        answer = Client(base_url).call("GET", _TRUTH)
    except NoResponse as failure:
        raise SandboxBooksUnavailable(str(failure)[:300]) from failure
    if not answer.is_success or not isinstance(answer.body, dict):
        raise SandboxBooksUnavailable(f"HTTP {answer.status}: {answer.text[:200]}")
    books: dict[str, Any] = answer.body
    captured = [row for row in books["payments"] if row.get("captured_at")]
    return SandboxBooks(
        payments={row["id"]: f"captured {row['amount']}" for row in captured},
        fees={row["id"]: f"fee {row['fee']} tax {row['tax']}" for row in captured if row.get("fee") is not None},
        refunds={row["id"]: f"{row['status']} {row['amount']}" for row in books["refunds"] if not row.get("automatic")},
        disputes={
            row["id"]: f"{row['status']} {row['amount']} taken {row['amount_deducted']}" for row in books["disputes"]
        },
        settlements={
            row["id"]: f"transferred {row['amount']}" for row in books["settlements"] if not row.get("synthetic")
        },
    )
