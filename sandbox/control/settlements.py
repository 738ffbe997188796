"""Control calls about settlements: made on demand, with the lines and errors that a test needs, and their reports as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

from werkzeug.wrappers import Request, Response

from sandbox.control.lookups import find
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import due_actions, refunds, settlement_reports, settlements
from sandbox.razorpay.entities import ReportLine, Settlement
from sandbox.razorpay.errors import Refused
from sandbox.state import World

_LARGEST_ADJUSTMENT = 10**12


def run_settlement(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "due_only", "errors", "targets")
    due_only = body.flag("due_only", default=False)
    counts = read_error_counts(body, "errors", {})
    targets = _read_targets(body)
    with world.lock:
        due_actions.run_due(world)
        settlement = settlements.settle_payments(world, due_only=due_only, errors=counts, targets=targets)
        if settlement is None:
            return {"settlement": None, "lines": 0, "planted": []}
        return {"settlement": settlement.to_wire(), "lines": settlement.lines, "planted": settlement.planted}


def read_error_counts(body: RequestBody, name: str, default: dict[str, int]) -> dict[str, int]:
    """
    Return how many errors of each kind to put into a report.

    :raises CallRefused: if the field is no object of known errors with their counts
    """
    counts: dict[str, int] = {}
    for kind, count in body.mapping(name, default).items():
        if kind not in settlement_reports.ERRORS or isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise CallRefused(
                f"{name} must map kinds to counts. The kinds are: {', '.join(settlement_reports.ERRORS)}."
            )
        counts[kind] = count
    return counts


def _read_targets(body: RequestBody) -> dict[str, str]:
    """
    Return the kind of error for given entities.

    :raises CallRefused: if one of them is no error of a line
    """
    kinds = {kind for kind in settlement_reports.ERRORS if kind != "sum_mismatch"}
    targets = body.mapping("targets", {})
    if not all(isinstance(kind, str) and kind in kinds for kind in targets.values()):
        raise CallRefused(f"targets must map entity ids to one of: {', '.join(sorted(kinds))}.")
    return {entity_id: str(kind) for entity_id, kind in targets.items()}


def conclude_settlement(world: World, request: Request, settlement_id: str) -> JsonObject:
    outcome = RequestBody(request, "outcome").text("outcome")
    if outcome not in {"processed", "failed"}:
        raise CallRefused("outcome must be processed or failed.")
    with world.lock:
        settlement = find(world.razorpay.settlements, settlement_id, "settlement")
        if outcome == "processed" and settlement.status == "failed":
            # A transfer that is made again has a reference of its own.
            settlement.utr = f"{world.clock.unix()}{world.ids.hex('utr', 6)}"
        settlement.status = "processed" if outcome == "processed" else "failed"
        world.notify_change()
        return settlement.to_wire()


def download_report(world: World, request: Request) -> Response:
    """Answer with the report of a month, a day or one settlement: as the API has it in JSON, or as the dashboard writes it."""
    layout = request.args.get("layout", "api")
    if layout not in {"api", "settlement_recon"}:
        raise CallRefused("layout must be api or settlement_recon.")
    with world.lock:
        found = _find_settlements(world, request)
    lines = (line for settlement in found for line in settlements.list_lines(settlement))
    if layout == "settlement_recon":
        rows = (settlement_reports.to_dashboard_row(line) for line in lines)
        return answer_csv(rows, settlement_reports.DASHBOARD_COLUMNS)
    return answer_lines(lines)


def _find_settlements(world: World, request: Request) -> list[Settlement]:
    settlement_id = request.args.get("settlement_id")
    if settlement_id is not None:
        return [find(world.razorpay.settlements, settlement_id, "settlement")]
    try:
        year, month, day = settlements.read_period(request)
    except Refused as refusal:
        raise CallRefused(str(refusal)) from refusal
    return settlements.find_settlements(world, year=year, month=month, day=day)


def answer_lines(lines: Iterable[ReportLine]) -> Response:
    """Return lines of a report as CSV, with the columns of the API."""
    return answer_csv((dict(line) for line in lines), settlement_reports.COLUMNS)


def answer_csv(rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> Response:
    return Response(settlement_reports.write_csv(rows, columns), mimetype="text/csv")


def add_adjustment(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "amount", "description", "payment_id", "dispute_id", "type", "credit_type")
    amount = body.integer("amount", lowest=-_LARGEST_ADJUSTMENT)
    if amount == 0:
        raise CallRefused("amount must not be 0. It is in paise; below zero, it is taken.")
    with world.lock:
        row = refunds.add_adjustment(
            world,
            amount=amount,
            kind=body.text("type", "adjustment"),
            description=body.text("description", "Adjustment"),
            payment_id=body.text("payment_id", None),
            dispute_id=body.text("dispute_id", None),
            credit_type=body.text("credit_type", "default"),
        )
        world.notify_change()
        return asdict(row)


def add_transfer(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "payment_id", "amount", "fee", "tax")
    amount, fee, tax = body.integer("amount", lowest=1), body.integer("fee", 0), body.integer("tax", 0)
    with world.lock:
        payment = find(world.razorpay.payments, body.text("payment_id"), "payment")
        if payment.captured_at is None or amount > payment.amount or tax > fee:
            raise CallRefused(
                f"The payment {payment.id} has no {amount} paise to transfer, or the tax is more than the fee.", 409
            )
        row = refunds.add_adjustment(
            world,
            amount=-(amount + fee),
            kind="transfer",
            description="Transfer to a linked account",
            payment_id=payment.id,
            fee=fee,
            tax=tax,
        )
        world.notify_change()
        return asdict(row)
