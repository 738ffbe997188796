"""Razorpay's front door: authentication, paths, and answers in its shape."""

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

from sandbox.razorpay import errors, orders, payments
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
)
_MAP = Map([Rule(path, methods=[method], endpoint=endpoint) for method, path, endpoint in ROUTES], strict_slashes=False)


def handle(world: World, request: Request, path: str) -> Response:
    """Answer one request to the path below Razorpay's base URL."""
    try:
        _authenticate(world, request.headers.get("Authorization", ""))
        endpoint, arguments = _match(request.method, path)
        with world.lock:
            payments.expire_open(world)
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
