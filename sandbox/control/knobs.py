"""Control calls about knobs: where the accounts of merchants differ."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Final, Literal

from werkzeug.wrappers import Request

from sandbox.control.request_body import RequestBody
from sandbox.control.settlements import read_error_counts
from sandbox.json_types import JsonObject
from sandbox.razorpay.state import Knobs
from sandbox.state import World

_RECEIPT_HABITS: Final[tuple[Literal["return"], Literal["refuse"]]] = ("return", "refuse")
_PAYERS: Final[tuple[Literal["manual"], Literal["approve"], Literal["decline"]]] = ("manual", "approve", "decline")
_REFUND_OUTCOMES: Final[tuple[Literal["processed"], Literal["failed"], Literal["manual"]]] = (
    "processed",
    "failed",
    "manual",
)
#: What lifts the bound of `refund_balance`.
_UNLIMITED = -1


def show_knobs(world: World, _request: Request) -> JsonObject:
    with world.lock:
        return {
            "razorpay": asdict(world.razorpay.knobs),
            "webhooks": asdict(world.razorpay.policy),
            "msg91": asdict(world.msg91.knobs),
            "faults": world.faults.list_rows(),
        }


def set_razorpay_knobs(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, *(field.name for field in fields(Knobs)))
    with world.lock:
        world.razorpay.knobs = _read_razorpay_knobs(body, world.razorpay.knobs)
        return asdict(world.razorpay.knobs)


def _read_razorpay_knobs(body: RequestBody, old: Knobs) -> Knobs:
    balance = body.integer("refund_balance", old.refund_balance, lowest=_UNLIMITED)
    return Knobs(
        unique_receipt=body.choice("unique_receipt", _RECEIPT_HABITS, old.unique_receipt),
        s2s_upi=body.flag("s2s_upi", old.s2s_upi),
        payer=body.choice("payer", _PAYERS, old.payer),
        payer_delay_ms=body.integer("payer_delay_ms", old.payer_delay_ms),
        upi_timeout_seconds=body.integer("upi_timeout_seconds", old.upi_timeout_seconds, lowest=1),
        refund_outcome=body.choice("refund_outcome", _REFUND_OUTCOMES, old.refund_outcome),
        refund_seconds=body.integer("refund_seconds", old.refund_seconds),
        refund_busy_ms=body.integer("refund_busy_ms", old.refund_busy_ms),
        refund_balance=None if balance == _UNLIMITED else balance,
        auto_settle=body.flag("auto_settle", old.auto_settle),
        settlement_days=body.integer("settlement_days", old.settlement_days),
        holidays=body.texts("holidays", old.holidays),
        settlement_errors=read_error_counts(body, "settlement_errors", old.settlement_errors),
        fee_credits=body.integer("fee_credits", old.fee_credits),
    )


def set_msg91_knobs(world: World, request: Request) -> JsonObject:
    body = RequestBody(request, "duplicate_window_seconds", "ip_allowed", "strict_templates", "templates")
    with world.lock:
        knobs = world.msg91.knobs
        knobs.duplicate_window_seconds = body.number("duplicate_window_seconds", knobs.duplicate_window_seconds)
        knobs.ip_allowed = body.flag("ip_allowed", knobs.ip_allowed)
        knobs.strict_templates = body.flag("strict_templates", knobs.strict_templates)
        templates = body.mapping("templates", knobs.templates)
        knobs.templates = {str(template_id): str(text) for template_id, text in templates.items()}
        return asdict(knobs)
