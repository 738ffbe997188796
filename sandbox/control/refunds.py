"""Control calls that play the bank with a refund that is pending."""

from __future__ import annotations

from typing import Final, Literal

from werkzeug.wrappers import Request

from sandbox.control.lookups import find
from sandbox.control.request_body import CallRefused, RequestBody
from sandbox.json_types import JsonObject
from sandbox.razorpay import due_actions, refunds
from sandbox.state import World

_OUTCOMES: Final[tuple[Literal["processed"], Literal["failed"]]] = ("processed", "failed")


def conclude_refund(world: World, request: Request, refund_id: str) -> JsonObject:
    outcome = RequestBody(request, "outcome").choice("outcome", _OUTCOMES, _OUTCOMES[0])
    with world.lock:
        due_actions.run_due(world)
        refund = find(world.razorpay.refunds, refund_id, "refund")
        try:
            refunds.conclude_refund(world, refund, outcome=outcome)
        except refunds.NotPending as refusal:
            raise CallRefused(str(refusal), 409) from refusal
        return refund.to_wire()
