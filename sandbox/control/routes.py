"""The control calls: one table, from which routes, help and the index page are made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from sandbox.control import (
    disputes,
    downtimes,
    faults,
    index_page,
    knobs,
    messages,
    payments,
    refunds,
    settlements,
    synthetic_reports,
    truth,
    webhooks,
)
from sandbox.control import world as control_world
from sandbox.control.request_body import CallRefused, is_form
from sandbox.json_types import JsonObject
from sandbox.state import World


class Call(NamedTuple):
    """One control call: its route, what it does in a line, an example of its body, and its function."""

    method: str
    path: str
    summary: str
    body: JsonObject | None
    function: Callable[..., JsonObject | Response]


CALLS = (
    Call(
        "GET",
        "/health",
        "Show the sandbox's status, clock, seed and webhook URL.",
        None,
        control_world.show_health,
    ),
    Call(
        "GET", "/sms", "List SMS, newest first. ?to= &since=<unix> &after=<n> &wait=<seconds>", None, messages.list_sms
    ),
    Call(
        "GET",
        "/mails",
        "List mail, newest first. ?to= &since=<unix> &after=<n> &wait=<seconds>",
        None,
        messages.list_mails,
    ),
    Call("GET", "/mails/<int:n>/raw", "Show one mail as it was received.", None, messages.fetch_raw_mail),
    Call(
        "GET",
        "/journal",
        "List all requests and webhooks, newest first. ?service= &direction=in|out &path=",
        None,
        control_world.list_exchanges,
    ),
    Call(
        "GET",
        "/truth",
        "Show the gateway's books: every order, payment, refund and settlement, with totals.",
        None,
        truth.show_truth,
    ),
    Call(
        "GET",
        "/webhooks",
        "List all webhooks. ?wait=<seconds> waits until none is under way.",
        None,
        webhooks.list_webhooks,
    ),
    Call("GET", "/knobs", "Show every knob, the webhook policy and the planned faults.", None, knobs.show_knobs),
    Call(
        "POST",
        "/payments/<payment_id>/approve",
        "Approve as the UPI payer, now or later; also after the payment has failed.",
        {"after_seconds": 7200},
        payments.approve_payment,
    ),
    Call(
        "POST",
        "/payments/<payment_id>/decline",
        "Decline as the UPI payer, or as the bank.",
        {"reason": "insufficient_funds"},
        payments.decline_payment,
    ),
    Call(
        "POST",
        "/orders/<order_id>/checkout",
        "Pay in Razorpay Checkout as the customer, or let the payment fail.",
        {"outcome": "success", "method": "card"},
        payments.pay_order,
    ),
    Call(
        "POST",
        "/payments/<payment_id>/auto_refund",
        "Refund an authorised, uncaptured payment at once.",
        {},
        payments.refund_uncaptured,
    ),
    Call(
        "POST",
        "/refunds/<refund_id>/conclude",
        "Let a pending refund be processed, or fail.",
        {"outcome": "failed"},
        refunds.conclude_refund,
    ),
    Call(
        "POST",
        "/settlements/run",
        "Settle captured payments: all, or those due; `errors` and `targets` put errors into the report.",
        {"due_only": False, "errors": {"missing_row": 1}, "targets": {"pay_XXXXXXXXXXXXXX": "amount_mismatch"}},
        settlements.run_settlement,
    ),
    Call(
        "POST",
        "/settlements/<settlement_id>/conclude",
        "Let a settlement's transfer fail, or be made again with another UTR; no webhook reports it.",
        {"outcome": "failed"},
        settlements.conclude_settlement,
    ),
    Call(
        "GET",
        "/settlements/report.csv",
        "Download the reconciliation report as CSV. ?year= &month= &day= or ?settlement_id=, &layout=api|settlement_recon",
        None,
        settlements.download_report,
    ),
    Call(
        "POST",
        "/adjustments",
        "Add an adjustment in paise to the next settlement, negative to deduct; for any payment or none, of any type.",
        {
            "amount": -5000000,
            "description": "Negative balance recovery",
            "type": "adjustment",
            "credit_type": "default",
        },
        settlements.add_adjustment,
    ),
    Call(
        "POST",
        "/transfers",
        "Send part of a captured payment to a linked account of Route, for a fee.",
        {"payment_id": "pay_XXXXXXXXXXXXXX", "amount": 100000, "fee": 296, "tax": 46},
        settlements.add_transfer,
    ),
    Call(
        "POST",
        "/settlements/synthesise",
        "Generate a report of any size; `what` is report, truth, settlements or planted.",
        {"lines": 100000, "seed": 1, "errors": {"amount_mismatch": 60}, "what": "report", "register": True},
        synthetic_reports.synthesise_report,
    ),
    Call(
        "POST",
        "/disputes",
        "Dispute a captured payment as the customer's bank.",
        {"payment_id": "pay_XXXXXXXXXXXXXX", "phase": "chargeback", "respond_in_seconds": 604800},
        disputes.raise_dispute,
    ),
    Call(
        "POST",
        "/disputes/<dispute_id>/decide",
        "Decide a dispute: won, lost, closed, under_review or action_required.",
        {"outcome": "won"},
        disputes.decide_dispute,
    ),
    Call(
        "POST",
        "/payment_links/<link_id>/pay",
        "Pay on the page of a link as the customer, or let the payment fail.",
        {"outcome": "success", "method": "upi"},
        payments.pay_link,
    ),
    Call(
        "POST",
        "/qr_codes/<qr_id>/pay",
        "Scan a QR code and pay as the customer.",
        {"amount": 10000},
        payments.pay_qr_code,
    ),
    Call(
        "POST",
        "/downtimes",
        "Plan a downtime of a payment method or an instrument of it, now or later, for a time or until it is resolved.",
        {"method": "upi", "instrument": {"vpa_handle": "oksbi"}, "severity": "high", "lasts_seconds": 1800},
        downtimes.plan_downtime,
    ),
    Call(
        "POST",
        "/downtimes/<downtime_id>/update",
        "Change the severity of a downtime.",
        {"severity": "medium"},
        downtimes.change_downtime,
    ),
    Call("POST", "/downtimes/<downtime_id>/resolve", "End a downtime.", {}, downtimes.resolve_downtime),
    Call("POST", "/clock", "Move the sandbox's clock forward.", {"advance_seconds": 660}, control_world.advance_clock),
    Call(
        "POST",
        "/webhooks/policy",
        "Set how webhooks are delivered; options that are not given return to their defaults.",
        {"mode": "reverse", "copies": 2, "events": []},
        webhooks.set_policy,
    ),
    Call(
        "POST",
        "/webhooks/release",
        "Send the webhooks that are held back.",
        {"order": "reverse", "copies": 1},
        webhooks.release_webhooks,
    ),
    Call("POST", "/webhooks/enable", "Enable the webhook again.", {}, webhooks.enable_webhook),
    Call(
        "POST",
        "/webhooks/disable",
        "Disable the webhook, as happens after a day of failures.",
        {},
        webhooks.disable_webhook,
    ),
    Call(
        "POST",
        "/webhooks/replay",
        "Replay missed webhooks, within the limits of Razorpay's dashboard.",
        {"statuses": ["failed", "disabled"], "events": [], "since": 0},
        webhooks.replay_webhooks,
    ),
    Call(
        "POST",
        "/webhooks/send",
        "Send an invented webhook, with a valid or a forged signature.",
        {"event": "payment.captured", "payload": {}, "forge": "signature"},
        webhooks.send_webhook,
    ),
    Call(
        "POST",
        "/webhooks/<event_id>/resend",
        "Send one webhook again.",
        {"copies": 1, "forge": "body"},
        webhooks.resend_webhook,
    ),
    Call("GET", "/faults", "List the planned faults.", None, faults.list_faults),
    Call(
        "POST",
        "/faults",
        "Plan a fault for the next matching requests.",
        {"path": "/v1/orders", "method": "POST", "kind": "drop_after_commit", "times": 1},
        faults.plan_fault,
    ),
    Call("DELETE", "/faults", "Remove all planned faults.", None, faults.clear_faults),
    Call(
        "POST",
        "/knobs/razorpay",
        "Change how the Razorpay account behaves; options that are not given do not change.",
        {"payer": "approve", "payer_delay_ms": 300},
        knobs.set_razorpay_knobs,
    ),
    Call(
        "POST",
        "/knobs/msg91",
        "Change how the MSG91 account behaves; options that are not given do not change.",
        {"duplicate_window_seconds": 10, "templates": {"order-confirmed": "Order ##NUMBER## is confirmed."}},
        knobs.set_msg91_knobs,
    ),
    Call(
        "POST", "/reset", "Delete everything, as after a fresh start.", {"keep_ids": False}, control_world.reset_world
    ),
)


def list_calls(_world: World, _request: Request) -> JsonObject:
    return {"calls": _describe_calls()}


def show_index_page(world: World, _request: Request) -> Response:
    return Response(index_page.render(world, _describe_calls()), mimetype="text/html")


def _describe_calls() -> list[JsonObject]:
    return [
        {"method": call.method, "path": f"/__sim__{call.path}", "summary": call.summary, "body": call.body}
        for call in CALLS
    ]


_MAP = Map(
    [
        Rule("/", methods=["GET"], endpoint=show_index_page),
        Rule("/help", methods=["GET"], endpoint=list_calls),
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
        return _json({"error": "There is no such control call. GET /__sim__/help lists all of them."}, 404)
    except CallRefused as refusal:
        return _json({"error": str(refusal)}, refusal.status)
    if isinstance(answer, Response):
        return answer
    return redirect("/__sim__/", code=303) if is_form(request) else _json(answer)


def _json(body: JsonObject, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False, indent=2) + "\n", status=status, mimetype="application/json")
