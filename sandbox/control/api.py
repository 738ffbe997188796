"""The control calls: one table that routes them, and that help and the index page are made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.control import books, mischief, money, page, play, watch
from sandbox.control.reading import Refused, is_form
from sandbox.state import World


class Call(NamedTuple):
    """One control call: its route, what it does in a line, an example of its body, and its function."""

    method: str
    path: str
    summary: str
    body: dict[str, Any] | None
    function: Callable[..., Any]


CALLS = (
    Call("GET", "/health", "Say that the sandbox is up, and its addresses.", None, watch.health),
    Call("GET", "/sms", "SMS, newest first. ?to= &since=<unix> &after=<n> &wait=<seconds>", None, watch.sms),
    Call("GET", "/mails", "Mail, newest first. ?to= &since=<unix> &after=<n> &wait=<seconds>", None, watch.mails),
    Call("GET", "/mails/<int:n>/raw", "One mail as it came over the wire.", None, watch.raw_mail),
    Call("GET", "/journal", "Every exchange, newest first. ?service= &direction=in|out &path=", None, watch.journal),
    Call("GET", "/truth", "Everything that the gateway holds to be true, with totals.", None, books.truth),
    Call("GET", "/webhooks", "All webhooks. ?wait=<seconds> waits until none is under way.", None, watch.webhooks),
    Call("GET", "/knobs", "Every knob, policy and planned fault as it stands.", None, watch.knobs),
    Call(
        "POST",
        "/payments/<payment_id>/approve",
        "The UPI payer approves, now or later; also when the payment has failed.",
        {"after_seconds": 7200},
        play.approve,
    ),
    Call(
        "POST",
        "/payments/<payment_id>/decline",
        "The UPI payer declines, or the bank does.",
        {"reason": "insufficient_funds"},
        play.decline,
    ),
    Call(
        "POST",
        "/orders/<order_id>/checkout",
        "A customer pays, or fails to, in Razorpay Checkout.",
        {"outcome": "success", "method": "card"},
        play.checkout,
    ),
    Call(
        "POST",
        "/payments/<payment_id>/auto_refund",
        "Refund at once what is authorised and not captured.",
        {},
        money.auto_refund,
    ),
    Call(
        "POST",
        "/refunds/<refund_id>/conclude",
        "A pending refund is processed, or fails.",
        {"outcome": "failed"},
        money.conclude_refund,
    ),
    Call(
        "POST",
        "/settlements/run",
        "Settle what is captured: all, or what is due; errors and targets spoil the report.",
        {"due_only": False, "errors": {"missing_row": 1}, "targets": {"pay_XXXXXXXXXXXXXX": "amount_mismatch"}},
        books.run_settlement,
    ),
    Call(
        "GET",
        "/settlements/report.csv",
        "The reconciliation report as CSV. ?year= &month= &day= or ?settlement_id=, &layout=api|settlement_recon",
        None,
        books.report_csv,
    ),
    Call(
        "POST",
        "/adjustments",
        "Take (below zero) or give paise in the next settlement, about anything or nothing; type may be any.",
        {
            "amount": -5000000,
            "description": "Negative balance recovery",
            "type": "adjustment",
            "credit_type": "default",
        },
        books.add_adjustment,
    ),
    Call(
        "POST",
        "/transfers",
        "Send part of a captured payment to a linked account of Route, for a fee.",
        {"payment_id": "pay_XXXXXXXXXXXXXX", "amount": 100000, "fee": 296, "tax": 46},
        books.add_transfer,
    ),
    Call(
        "POST",
        "/settlements/synthesise",
        "Make up a report of any size; what is report, truth, settlements or planted.",
        {"lines": 100000, "seed": 1, "errors": {"amount_mismatch": 60}, "what": "report", "register": True},
        books.synthesise,
    ),
    Call(
        "POST",
        "/disputes",
        "A bank disputes a captured payment.",
        {"payment_id": "pay_XXXXXXXXXXXXXX", "phase": "chargeback", "respond_in_seconds": 604800},
        money.raise_dispute,
    ),
    Call(
        "POST",
        "/disputes/<dispute_id>/decide",
        "The bank decides: won, lost, closed, under_review or action_required.",
        {"outcome": "won"},
        money.decide_dispute,
    ),
    Call(
        "POST",
        "/payment_links/<link_id>/pay",
        "A customer pays, or fails to, on the page of a link.",
        {"outcome": "success", "method": "upi"},
        money.pay_link,
    ),
    Call("POST", "/qr_codes/<qr_id>/pay", "A customer scans a QR code and pays.", {"amount": 10000}, money.pay_qr),
    Call("POST", "/clock", "Move the sandbox's clock forward.", {"advance_seconds": 660}, play.advance_clock),
    Call(
        "POST",
        "/webhooks/policy",
        "How webhooks travel from now on; what is not given returns to normal.",
        {"mode": "reverse", "copies": 2, "events": []},
        mischief.set_policy,
    ),
    Call("POST", "/webhooks/release", "Send all held webhooks.", {"order": "reverse", "copies": 1}, mischief.release),
    Call("POST", "/webhooks/enable", "Switch the webhook on again.", {}, mischief.enable),
    Call("POST", "/webhooks/disable", "Switch the webhook off, as after a day of failures.", {}, mischief.disable),
    Call(
        "POST",
        "/webhooks/replay",
        "Replay what was missed, within the dashboard's bounds.",
        {"statuses": ["failed", "disabled"], "events": [], "since": 0},
        mischief.replay,
    ),
    Call(
        "POST",
        "/webhooks/send",
        "Send an invented webhook, signed rightly or not.",
        {"event": "payment.captured", "payload": {}, "forge": "signature"},
        mischief.send,
    ),
    Call("POST", "/webhooks/<event_id>/resend", "Send one again.", {"copies": 1, "forge": "body"}, mischief.resend),
    Call("GET", "/faults", "The planned faults.", None, watch.faults),
    Call(
        "POST",
        "/faults",
        "Plan a fault for the next matching requests.",
        {"path": "/v1/orders", "method": "POST", "kind": "drop_after_commit", "times": 1},
        mischief.plan_fault,
    ),
    Call("DELETE", "/faults", "Forget all planned faults.", None, mischief.clear_faults),
    Call(
        "POST",
        "/knobs/razorpay",
        "Change the account's habits; what is not given stays.",
        {"payer": "approve", "payer_delay_ms": 300},
        mischief.set_razorpay,
    ),
    Call(
        "POST",
        "/knobs/msg91",
        "Change the account's habits; what is not given stays.",
        {"duplicate_window_seconds": 10, "templates": {"order-confirmed": "Order ##NUMBER## is confirmed."}},
        mischief.set_msg91,
    ),
    Call("POST", "/reset", "Forget everything, as after a fresh start.", {"keep_ids": False}, play.reset),
)


def help_text(world: World, request: Request) -> dict[str, Any]:
    return {
        "calls": [
            {"method": call.method, "path": f"/__sim__{call.path}", "summary": call.summary, "body": call.body}
            for call in CALLS
        ]
    }


def index(world: World, request: Request) -> Response:
    return Response(page.render(world, help_text(world, request)["calls"]), mimetype="text/html")


_MAP = Map(
    [
        Rule("/", methods=["GET"], endpoint=index),
        Rule("/help", methods=["GET"], endpoint=help_text),
        *(Rule(call.path, methods=[call.method], endpoint=call.function) for call in CALLS),
    ],
    strict_slashes=False,
)


def handle(world: World, request: Request, path: str) -> Response:
    """Answer one control call; a button of the index page is sent back there."""
    try:
        function, arguments = _MAP.bind("sandbox").match(path, method=request.method)
        answer = function(world, request, **arguments)
    except HTTPException:
        return _json({"error": "no such control call; see /__sim__/help"}, 404)
    except Refused as refusal:
        return _json({"error": str(refusal)}, refusal.status)
    if isinstance(answer, Response):
        return answer
    return redirect("/__sim__/", code=303) if is_form(request) else _json(answer)


def _json(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False, indent=2) + "\n", status=status, mimetype="application/json")
