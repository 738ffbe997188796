"""Razorpay's routes: authentication, paths, and answers in its format."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.razorpay import disputes, errors, links, orders, payments, qr_codes, refunds, settlements, timers
from sandbox.state import World

Endpoint = Callable[..., dict[str, Any]]

ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("POST", "/v1/orders", orders.create),
    ("GET", "/v1/orders", orders.list_all),
    ("GET", "/v1/orders/<order_id>", orders.fetch),
    ("PATCH", "/v1/orders/<order_id>", orders.edit),
    ("GET", "/v1/orders/<order_id>/payments", orders.payments),
    ("GET", "/v1/payments", payments.list_all),
    ("POST", "/v1/payments/create/upi", payments.create_upi),
    ("POST", "/v1/payments/create/json", payments.create_json),
    ("GET", "/v1/payments/<payment_id>", payments.fetch),
    ("PATCH", "/v1/payments/<payment_id>", payments.edit),
    ("POST", "/v1/payments/<payment_id>/capture", payments.capture),
    ("POST", "/v1/payments/<payment_id>/refund", refunds.create_for_payment),
    ("GET", "/v1/payments/<payment_id>/refunds", refunds.of_payment),
    ("GET", "/v1/payments/<payment_id>/refunds/<refund_id>", refunds.one_of_payment),
    ("POST", "/v1/refunds", refunds.create),
    ("GET", "/v1/refunds", refunds.list_all),
    ("GET", "/v1/refunds/<refund_id>", refunds.fetch),
    ("PATCH", "/v1/refunds/<refund_id>", refunds.edit),
    ("GET", "/v1/settlements", settlements.list_all),
    ("GET", "/v1/settlements/<settlement_id>", settlements.fetch),
    ("GET", "/v1/settlements/recon/combined", settlements.report),
    ("GET", "/v1/disputes", disputes.list_all),
    ("GET", "/v1/disputes/<dispute_id>", disputes.fetch),
    ("POST", "/v1/disputes/<dispute_id>/accept", disputes.accept),
    ("PATCH", "/v1/disputes/<dispute_id>/contest", disputes.contest),
    ("POST", "/v1/documents", disputes.upload),
    ("GET", "/v1/documents/<document_id>", disputes.fetch_document),
    ("POST", "/v1/payment_links", links.create),
    ("GET", "/v1/payment_links", links.list_all),
    ("GET", "/v1/payment_links/<link_id>", links.fetch),
    ("PATCH", "/v1/payment_links/<link_id>", links.edit),
    ("POST", "/v1/payment_links/<link_id>/cancel", links.cancel),
    ("POST", "/v1/payment_links/<link_id>/notify_by/<medium>", links.notify),
    ("POST", "/v1/payments/qr_codes", qr_codes.create),
    ("GET", "/v1/payments/qr_codes", qr_codes.list_all),
    ("GET", "/v1/payments/qr_codes/<qr_id>", qr_codes.fetch),
    ("GET", "/v1/payments/qr_codes/<qr_id>/payments", qr_codes.payments_of),
    ("POST", "/v1/payments/qr_codes/<qr_id>/close", qr_codes.close),
)
_MAP = Map([Rule(path, methods=[method], endpoint=endpoint) for method, path, endpoint in ROUTES], strict_slashes=False)


def handle(world: World, request: Request, path: str) -> Response:
    """Answer one request to the path below Razorpay's base URL."""
    try:
        _authenticate(world, request.headers.get("Authorization", ""))
        endpoint, arguments = _match(request.method, path)
        with world.lock:
            timers.catch_up(world)
            return _json(endpoint(world, request, **arguments))
    except errors.Refused as refusal:
        return _json({"error": refusal.body}, refusal.http_status)


def error(status: int) -> Response:
    """Return the answer for a status that a fault asks for."""
    return _json(errors.body_for_status(status), status)


def _authenticate(world: World, header: str) -> None:
    scheme, _, credentials = header.partition(" ")
    try:
        given = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        given = b""
    wanted = f"{world.settings.key_id}:{world.settings.key_secret}".encode()
    if scheme != "Basic" or not hmac.compare_digest(given, wanted):
        raise errors.Unauthenticated


def _match(method: str, path: str) -> tuple[Endpoint, dict[str, Any]]:
    try:
        endpoint, arguments = _MAP.bind("sandbox").match(path, method=method)
    except HTTPException as error:
        raise errors.UrlNotFound from error
    return endpoint, dict(arguments)


def _json(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body, ensure_ascii=False), status=status, mimetype="application/json")
