"""The books of the sandbox, over HTTP: what the gateway of a rehearsal holds to be true."""

from dataclasses import dataclass
from typing import Any

from apps.core.http import Client, NoAnswer
from apps.payments.gateways import GatewayError, OutcomeUnknown

_TRUTH = "/__sim__/truth"


@dataclass(frozen=True)
class TrueMoney:
    """One movement of money as the gateway knows it: its state in the gateway's words, its amount in paise."""

    status: str
    amount: int
    settlement_id: str


@dataclass(frozen=True)
class Truth:
    """What was captured, refunded and settled, each by the gateway's id."""

    payments: dict[str, TrueMoney]
    refunds: dict[str, TrueMoney]
    settlements: dict[str, TrueMoney]


def read_truth(base_url: str) -> Truth:
    """
    Ask a sandbox for its books.

    :raises OutcomeUnknown: if it does not answer, or not with its books
    """
    try:
        answer = Client(base_url).call("GET", _TRUTH)
    except NoAnswer as failure:
        raise OutcomeUnknown(GatewayError(code="NO_ANSWER", description=str(failure)[:300])) from failure
    if not answer.is_success or not isinstance(answer.body, dict):
        raise OutcomeUnknown(GatewayError(code="UNREADABLE", status=answer.status, description=answer.text[:200]))
    books: dict[str, Any] = answer.body
    return Truth(
        payments={row["id"]: _money(row) for row in books["payments"] if row.get("captured_at")},
        refunds={row["id"]: _money(row) for row in books["refunds"] if not row.get("automatic")},
        settlements={row["id"]: _money(row) for row in books["settlements"] if not row.get("synthetic")},
    )


def _money(row: dict[str, Any]) -> TrueMoney:
    return TrueMoney(
        status=str(row.get("status")), amount=int(row["amount"]), settlement_id=str(row.get("settlement_id") or "")
    )
