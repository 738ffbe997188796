"""Refunds: each that the gateway made is recorded, made once, and none exceeds what was captured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from devtools.history.checker.history import Anomaly, History, Operation, Row

_rupee = partial(Anomaly, "rupee")
#: The key of the gateway's notes under which our refund's id stands.
NOTE = "refund"


def check(history: History) -> Iterator[Anomaly]:
    """Compare the gateway's refunds with ours, these with the answers that clients got, and with the orders."""
    made = [row for row in history.final["gateway_refunds"] if row["status"] != "failed" and not row["automatic"]]
    yield from _check_gateway(history, made)
    yield from _check_ours(history, {row["id"]: row for row in made})
    retries = list(history.of_kind("retry_refund"))
    for operation in history.of_kind("request_refund"):
        yield from _check_request(operation, history.final["refunds"], retries)
    yield from _check_decisions(history)
    yield from _check_orders(history)


def _check_gateway(history: History, made: list[Row]) -> Iterator[Anomaly]:
    ours = Counter(row["gateway_refund_id"] for row in history.final["refunds"] if row["gateway_refund_id"])
    for row in made:
        if not ours[row["id"]]:
            yield _rupee(
                "refund_lost", row["id"], f"The gateway refunded {row['amount']} paise by {row['id']}; we did not."
            )
        elif ours[row["id"]] > 1:
            yield _rupee("refund_recorded_twice", row["id"], f"{row['id']} is in {ours[row['id']]} of our refunds.")
    for ours_id, count in Counter(_our_id(row) for row in made).items():
        if ours_id and count > 1:
            yield _rupee("refund_doubled", ours_id, f"The gateway made {count} refunds for {ours_id}.")
    captured = {row["id"]: row["amount"] for row in history.final["gateway_payments"] if row["captured_at"] is not None}
    given: Counter[str] = Counter()
    for row in made:
        given[row["payment_id"]] += row["amount"]
    for payment_id, amount in given.items():
        if amount > captured.get(payment_id, 0):
            yield _rupee("refund_exceeds_payment", payment_id, f"{amount} paise of {payment_id} were refunded.")


def _our_id(row: Row) -> str:
    notes = row.get("notes")
    return str(notes.get(NOTE, "")) if isinstance(notes, dict) else ""


def _check_ours(history: History, made: dict[str, Row]) -> Iterator[Anomaly]:
    for row in history.final["refunds"]:
        theirs = made.get(row["gateway_refund_id"] or "")
        if theirs is None:
            if row["status"] == "processed" and not row["transfer_reference"]:
                yield _rupee("refund_invented", row["id"], f"{row['id']} is processed, and the gateway made no refund.")
        elif theirs["amount"] != row["amount"]:
            sentence = f"{row['id']} is of {row['amount']} paise, and the gateway refunded {theirs['amount']}."
            yield _rupee("refund_changed", row["id"], sentence)
        elif theirs["status"] == "processed" and row["status"] != "processed":
            yield _rupee(
                "refund_unfinished", row["id"], f"The gateway processed {row['id']}, which is {row['status']}."
            )


def _check_request(operation: Operation, refunds: list[Row], retries: list[Operation]) -> Iterator[Anomaly]:
    # What becomes of a refund is added to its note.
    found = {row["id"] for row in refunds if row["note"].partition(";")[0] == operation.id}
    if operation.is_refused and found:
        yield _rupee("refused_refund_exists", operation.id, f"{operation.id} was refused, and {min(found)} exists.")
    if not operation.is_accepted:
        return
    answered = {row["id"] for row in operation.answer["data"]}
    if lost := answered - found:
        yield _rupee("refund_request_lost", operation.id, f"{min(lost)} was acknowledged and is not there.")
    # A retry of a failed refund is a refund of its own with the same note; its client may not know whether there is one.
    retried = [retry for retry in retries if _retried_id(retry) in found]
    doubled = found - answered - {retry.answer["id"] for retry in retried if retry.is_accepted}
    if len(doubled) > sum(retry.is_unknown for retry in retried):
        yield _rupee("refund_request_doubled", operation.id, f"{operation.id} also made {min(doubled)}.")


def _retried_id(retry: Operation) -> str:
    return retry.path.removeprefix("/refunds/").removesuffix("/retry")


def _check_decisions(history: History) -> Iterator[Anomaly]:
    rows = {row["id"]: row for row in history.final["refunds"]}
    for operation in history.of_kind("approve_refund", "reject_refund"):
        if not operation.is_accepted:
            continue
        row = rows.get(operation.answer["id"])
        undecided = row is not None and row["status"] == "requires_approval"
        reverted = row is not None and operation.kind == "reject_refund" and row["status"] != "cancelled"
        if row is None or undecided or reverted:
            status = row["status"] if row else "not there"
            sentence = f"{operation.kind} of {operation.answer['id']} was acknowledged, and it is {status}."
            yield _rupee("decision_lost", operation.answer["id"], sentence)


def _check_orders(history: History) -> Iterator[Anomaly]:
    processed: Counter[str] = Counter()
    for row in history.final["refunds"]:
        if row["status"] == "processed":
            processed[row["order_id"]] += row["amount"]
    for order in history.final["orders"]:
        if order["refunded_amount"] != processed[order["id"]]:
            sentence = f"{processed[order['id']]} paise of {order['id']} were refunded, and it says {order['refunded_amount']}."
            yield _rupee("order_refunded_amount_differs", order["id"], sentence)
        if processed[order["id"]] > order["paid_amount"]:
            yield _rupee("refunds_exceed_order", order["id"], f"More of {order['id']} was refunded than was paid.")
