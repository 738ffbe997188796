"""Razorpay's routes: authentication, paths, and answers in its format."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.json_types import JsonObject
from sandbox.razorpay import (
    disputes,
    downtimes,
    due_actions,
    errors,
    orders,
    payment_links,
    payments,
    qr_codes,
    refunds,
    settlements,
)
from sandbox.state import World

Endpoint = Callable[..., JsonObject]

ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/orders", orders.create_order),
    ("GET", "/v1/orders", orders.list_orders),
    ("GET", "/v1/orders/<order_id>", orders.fetch_order),
    ("PATCH", "/v1/orders/<order_id>", orders.edit_order),
    ("GET", "/v1/orders/<order_id>/payments", orders.list_payments_of_order),
    ("GET", "/v1/payments", payments.list_payments),
    ("POST", "/v1/payments/create/upi", payments.create_upi_payment),
    ("POST", "/v1/payments/create/json", payments.create_json_payment),
    ("GET", "/v1/payments/downtimes", downtimes.list_downtimes),
    ("GET", "/v1/payments/downtimes/<downtime_id>", downtimes.fetch_downtime),
    ("GET", "/v1/payments/<payment_id>", payments.fetch_payment),
    ("PATCH", "/v1/payments/<payment_id>", payments.edit_payment),
    ("POST", "/v1/payments/<payment_id>/capture", payments.capture_payment),
    ("POST", "/v1/payments/<payment_id>/refund", refunds.refund_payment),
    ("GET", "/v1/payments/<payment_id>/refunds", refunds.list_refunds_of_payment),
    ("GET", "/v1/payments/<payment_id>/refunds/<refund_id>", refunds.fetch_refund_of_payment),
    ("POST", "/v1/refunds", refunds.create_refund),
    ("GET", "/v1/refunds", refunds.list_refunds),
    ("GET", "/v1/refunds/<refund_id>", refunds.fetch_refund),
    ("PATCH", "/v1/refunds/<refund_id>", refunds.edit_refund),
    ("GET", "/v1/settlements", settlements.list_settlements),
    ("GET", "/v1/settlements/<settlement_id>", settlements.fetch_settlement),
    ("GET", "/v1/settlements/recon/combined", settlements.fetch_report),
    ("GET", "/v1/disputes", disputes.list_disputes),
    ("GET", "/v1/disputes/<dispute_id>", disputes.fetch_dispute),
    ("POST", "/v1/disputes/<dispute_id>/accept", disputes.accept_dispute),
    ("PATCH", "/v1/disputes/<dispute_id>/contest", disputes.contest_dispute),
    ("POST", "/v1/documents", disputes.upload_document),
    ("GET", "/v1/documents/<document_id>", disputes.fetch_document),
    ("POST", "/v1/payment_links", payment_links.create_link),
    ("GET", "/v1/payment_links", payment_links.list_links),
    ("GET", "/v1/payment_links/<link_id>", payment_links.fetch_link),
    ("PATCH", "/v1/payment_links/<link_id>", payment_links.edit_link),
    ("POST", "/v1/payment_links/<link_id>/cancel", payment_links.cancel_link),
    ("POST", "/v1/payment_links/<link_id>/notify_by/<medium>", payment_links.notify_customer),
    ("POST", "/v1/payments/qr_codes", qr_codes.create_qr_code),
    ("GET", "/v1/payments/qr_codes", qr_codes.list_qr_codes),
    ("GET", "/v1/payments/qr_codes/<qr_id>", qr_codes.fetch_qr_code),
    ("GET", "/v1/payments/qr_codes/<qr_id>/payments", qr_codes.list_payments_of_qr_code),
    ("POST", "/v1/payments/qr_codes/<qr_id>/close", qr_codes.close_qr_code),
)
_MAP = Map([Rule(path, methods=[method], endpoint=endpoint) for method, path, endpoint in ROUTES], strict_slashes=False)


def handle(world: World, request: Request, path: str) -> Response:
    """Answer one request to the path below Razorpay's base URL."""
    try:
        _authenticate(world, request.headers.get("Authorization", ""))
        endpoint, arguments = _match(request.method, path)
        with world.lock:
            due_actions.run_due(world)
            return _json(endpoint(world, request, **arguments))
    except errors.Refused as refusal:
        return _json({"error": refusal.body}, refusal.http_status)


def error(status: int) -> Response:
    """Return the answer for a status that a fault asks for."""
    return _json(errors.build_error_body(status), status)


def _authenticate(world: World, header: str) -> None:
    scheme, _, credentials = header.partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    wanted = f"{world.settings.key_id}:{world.settings.key_secret}".encode()
    if scheme != "Basic" or not hmac.compare_digest(given, wanted):
        raise errors.Unauthenticated


def _match(method: str, path: str) -> tuple[Endpoint, JsonObject]:
    try:
        endpoint, arguments = _MAP.bind("sandbox").match(path, method=method)
    except HTTPException as error:
        raise errors.UrlNotFound from error
    return endpoint, dict(arguments)


def _json(body: JsonObject, status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status=status, mimetype="application/json")
