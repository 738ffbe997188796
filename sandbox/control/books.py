"""The gateway's books: settlements made on demand, their reports as CSV, reports made up, and the table of truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from werkzeug.wrappers import Request, Response

from sandbox.control.money import find
from sandbox.control.reading import Body, Refused
from sandbox.razorpay import errors, recon, refunds, settlements, synthetic, timers
from sandbox.razorpay.bankdays import IST
from sandbox.razorpay.entities import Settlement
from sandbox.razorpay.state import Payment, Razorpay
from sandbox.state import World

_MOST_LINES = 2_000_000
_SETTLEMENT_COLUMNS = ("id", "amount", "fees", "tax", "utr", "status", "created_at", "lines")
_PLANTED_COLUMNS = ("kind", "entity_id", "settlement_id")


def run_settlement(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "due_only", "errors", "targets")
    due_only = body.flag("due_only", False)
    counts = read_errors(body, "errors")
    targets = body.mapping("targets", {})
    if not set(targets.values()) <= set(recon.ERRORS) - {"sum_mismatch"}:
        raise Refused(f"targets map entity ids to one of: {', '.join(recon.ERRORS)}")
    with world.lock:
        timers.catch_up(world)
        settlement = settlements.settle(world, due_only=due_only, errors=counts, targets=targets)
        if settlement is None:
            return {"settlement": None, "lines": 0, "planted": []}
        return {"settlement": settlement.wire(), "lines": settlement.lines, "planted": settlement.planted}


def read_errors(body: Body, name: str, default: dict[str, int] | None = None) -> dict[str, int]:
    """:raises Refused: if the field is no object of known errors with their counts"""
    counts = body.mapping(name, default or {})
    for kind, count in counts.items():
        if kind not in recon.ERRORS or isinstance(count, bool) or not isinstance(count, int) or count < 0:
            raise Refused(f"{name} maps {', '.join(recon.ERRORS)} to how many of each")
    return dict(counts)


def report_csv(world: World, request: Request) -> Response:
    """Answer with the report of a month, a day or one settlement: as the API has it in JSON, or as the dashboard writes it."""
    layout = request.args.get("layout", "api")
    if layout not in {"api", "settlement_recon"}:
        raise Refused("layout is api or settlement_recon")
    with world.lock:
        settlement_id = request.args.get("settlement_id")
        if settlement_id is not None:
            found = [find(world.razorpay.settlements, settlement_id, "settlement")]
        else:
            try:
                year, month, day = settlements.read_period(request)
            except errors.Refused as refusal:
                raise Refused(str(refusal)) from refusal
            found = settlements.settled_on(world, year=year, month=month, day=day)
    rows = (row for settlement in found for row in settlements.rows_of(settlement))
    if layout == "settlement_recon":
        return _csv((recon.dashboard_row(row) for row in rows), recon.DASHBOARD_COLUMNS)
    return _csv(rows, recon.COLUMNS)


def add_adjustment(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "amount", "description", "payment_id", "dispute_id", "type", "credit_type")
    amount = body.integer("amount", lowest=-(10**12))
    if amount == 0:
        raise Refused("amount is in paise and not 0: below zero it is taken")
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
        world.changed()
        return asdict(row)


def add_transfer(world: World, request: Request) -> dict[str, Any]:
    body = Body(request, "payment_id", "amount", "fee", "tax")
    amount, fee, tax = body.integer("amount", lowest=1), body.integer("fee", 0), body.integer("tax", 0)
    with world.lock:
        payment = find(world.razorpay.payments, body.text("payment_id"), "payment")
        if payment.captured_at is None or amount > payment.amount or tax > fee:
            raise Refused(f"{payment.id} has no {amount} paise to transfer, or the tax is more than the fee", 409)
        row = refunds.add_adjustment(
            world,
            amount=-(amount + fee),
            kind="transfer",
            description="Transfer to a linked account",
            payment_id=payment.id,
            fee=fee,
            tax=tax,
        )
        world.changed()
        return asdict(row)


def synthesise(world: World, request: Request) -> Response:
    """Generate a report, book its settlements unless `register` is false, and stream what `what` names."""
    body = Body(
        request,
        "lines",
        "seed",
        "at",
        "per_settlement",
        "refund_every",
        "adjustment_every",
        "receipt_prefix",
        "errors",
        "register",
        "what",
    )
    recipe = _read_recipe(world, body)
    what = body.choice("what", ("report", "truth", "settlements", "planted"), "report")
    try:
        made = [
            synthetic.without_lines(recipe, index, settlement)
            for index, settlement in enumerate(synthetic.settlements(recipe))
        ]
    except ValueError as error:
        raise Refused("there are more errors than lines or settlements to put them in") from error
    if body.flag("register", True):
        with world.lock:
            world.razorpay.settlements.update({settlement.id: settlement for settlement in made})
            world.changed()

    if what == "settlements":
        return _csv(({**row.wire(), "lines": row.lines} for row in made), _SETTLEMENT_COLUMNS)
    if what == "planted":
        return _csv((note for row in made for note in row.planted), _PLANTED_COLUMNS)
    if what == "truth":
        return _csv(synthetic.true_rows(recipe), recon.COLUMNS)
    return _csv((row for settlement in synthetic.settlements(recipe) for row in settlement.rows), recon.COLUMNS)


def _read_recipe(world: World, body: Body) -> synthetic.Recipe:
    lines = body.integer("lines", 1_000, lowest=1)
    refund_every = body.integer("refund_every", 20)
    if lines > _MOST_LINES or refund_every == 1:
        raise Refused(f"lines may be {_MOST_LINES} at most, and refund_every 0 or at least 2")
    midnight = datetime.fromtimestamp(world.clock.now(), tz=IST).replace(hour=0, minute=0, second=0, microsecond=0)
    return synthetic.Recipe(
        lines=lines,
        seed=body.integer("seed", 1),
        at=body.integer("at", int(midnight.timestamp()), lowest=1),
        per_settlement=body.integer("per_settlement", 2_500, lowest=1),
        refund_every=refund_every,
        adjustment_every=body.integer("adjustment_every", 0),
        receipt_prefix=body.text("receipt_prefix", "SYN-"),
        errors=tuple(read_errors(body, "errors").items()),
    )


def _csv(rows: Iterable[dict[str, Any]], columns: Iterable[str]) -> Response:
    return Response(recon.write_csv(rows, columns), mimetype="text/csv")


def truth(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        timers.catch_up(world)
        gateway = world.razorpay
        return {
            "orders": [
                {**order.wire(), "payments": [payment.id for payment in gateway.payments_of(order.id)]}
                for order in gateway.orders.values()
            ],
            "payments": [_payment(payment) for payment in gateway.payments.values()],
            "refunds": [
                {**refund.wire(), "automatic": refund.automatic, "settlement_id": refund.settlement_id}
                for refund in gateway.refunds.values()
            ],
            "adjustments": [asdict(row) for row in gateway.adjustments.values()],
            "settlements": [_settlement(settlement) for settlement in gateway.settlements.values()],
            "disputes": [dispute.wire() for dispute in gateway.disputes.values()],
            "payment_links": [{**link.wire(), "notified": link.notified} for link in gateway.payment_links.values()],
            "qr_codes": [{**qr.wire(), "payments": qr.payment_ids} for qr in gateway.qr_codes.values()],
            "totals": _totals(gateway),
        }


def _payment(payment: Payment) -> dict[str, Any]:
    return {**payment.wire(), "captured_at": payment.captured_at, "settlement_id": payment.settlement_id}


def _settlement(settlement: Settlement) -> dict[str, Any]:
    return {
        **settlement.wire(),
        "lines": settlement.lines,
        "planted": settlement.planted,
        "synthetic": settlement.recipe is not None,
    }


def _totals(gateway: Razorpay) -> dict[str, Any]:
    """Sum up in paise; `balance` is what is captured and neither settled, refunded, charged nor disputed away."""
    captured = [row for row in gateway.payments.values() if row.captured_at is not None]
    refunded = sum(row.amount for row in gateway.refunds.values() if row.status != "failed" and not row.automatic)
    automatic = sum(row.amount for row in gateway.refunds.values() if row.automatic)
    adjusted = sum(row.amount for row in gateway.adjustments.values())
    credits_left = sum(row.amount - (row.fee or 0) for row in captured if row.settlement_id is None)
    refunds_left = sum(
        row.amount
        for row in gateway.refunds.values()
        if row.settlement_id is None and row.status != "failed" and not row.automatic
    )
    adjustments_left = sum(row.amount for row in gateway.adjustments.values() if row.settlement_id is None)
    return {
        "orders": dict(Counter(row.status for row in gateway.orders.values())),
        "payments": dict(Counter(row.status for row in gateway.payments.values())),
        "refunds": dict(Counter(row.status for row in gateway.refunds.values())),
        "disputes": dict(Counter(row.status for row in gateway.disputes.values())),
        "captured_amount": sum(row.amount for row in captured),
        "fee": sum(row.fee or 0 for row in captured),
        "tax": sum(row.tax or 0 for row in captured),
        "refunded_amount": refunded,
        "auto_refunded_amount": automatic,
        "adjusted_amount": adjusted,
        "settled_amount": sum(row.amount for row in gateway.settlements.values() if row.recipe is None),
        "balance": credits_left - refunds_left + adjustments_left,
    }
