"""The control call that makes up a settlement report of any size."""

from __future__ import annotations

from datetime import datetime

from werkzeug.wrappers import Request, Response

from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.control.settlements import answer_csv, answer_lines, read_error_counts
from sandbox.razorpay import synthetic_reports
from sandbox.razorpay.bank_calendar import IST
from sandbox.razorpay.entities import Settlement
from sandbox.razorpay.synthetic_reports import Recipe
from sandbox.state import World

_MOST_LINES = 2_000_000
_FIELDS = (
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
_PARTS = ("report", "truth", "settlements", "planted")
_SETTLEMENT_COLUMNS = ("id", "amount", "fees", "tax", "utr", "status", "created_at", "lines")
_PLANTED_COLUMNS = ("kind", "entity_id", "settlement_id")


def synthesise_report(world: World, request: Request) -> Response:
    """Generate a report, book its settlements unless `register` is false, and stream the part that `what` names."""
    body = RequestBody(request, *_FIELDS)
    recipe = _read_recipe(world, body)
    part = body.choice("what", _PARTS, "report")
    made = _make_settlements(recipe)
    if body.flag("register", default=True):
        with world.lock:
            world.razorpay.settlements.update({settlement.id: settlement for settlement in made})
            world.notify_change()
    return _answer_part(part, recipe, made)


def _make_settlements(recipe: Recipe) -> list[Settlement]:
    """
    Return the settlements of a recipe without their lines.

    :raises CallRefused: if they have not enough lines for the errors
    """
    try:
        return [
            synthetic_reports.forget_lines(recipe, index, settlement)
            for index, settlement in enumerate(synthetic_reports.make_settlements(recipe))
        ]
    except ValueError as error:
        raise CallRefused("There are more errors than lines or settlements to put them in.") from error


def _answer_part(part: str, recipe: Recipe, made: list[Settlement]) -> Response:
    if part == "settlements":
        return answer_csv(({**row.to_wire(), "lines": row.lines} for row in made), _SETTLEMENT_COLUMNS)
    if part == "planted":
        return answer_csv((dict(note) for row in made for note in row.planted), _PLANTED_COLUMNS)
    if part == "truth":
        return answer_lines(synthetic_reports.true_lines(recipe))
    return answer_lines(line for settlement in synthetic_reports.make_settlements(recipe) for line in settlement.rows)


def _read_recipe(world: World, body: RequestBody) -> Recipe:
    lines = body.integer("lines", 1_000, lowest=1)
    refund_every = body.integer("refund_every", 20)
    if lines > _MOST_LINES or refund_every == 1:
        raise CallRefused(f"lines must be at most {_MOST_LINES}, and refund_every 0 or at least 2.")
    midnight = datetime.fromtimestamp(world.clock.now(), tz=IST).replace(hour=0, minute=0, second=0, microsecond=0)
    return Recipe(
        lines=lines,
        seed=body.integer("seed", 1),
        at=body.integer("at", int(midnight.timestamp()), lowest=1),
        per_settlement=body.integer("per_settlement", 2_500, lowest=1),
        refund_every=refund_every,
        adjustment_every=body.integer("adjustment_every", 0),
        receipt_prefix=body.text("receipt_prefix", "SYN-"),
        errors=tuple(read_error_counts(body, "errors", {}).items()),
    )
