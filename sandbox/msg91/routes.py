"""MSG91's routes: the auth key, paths, and answers in its format."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from http import HTTPStatus

from werkzeug.wrappers import Request, Response

from sandbox.json_types import JsonObject
from sandbox.msg91 import otp, templated_sms
from sandbox.msg91.errors import Refused
from sandbox.state import World

Endpoint = Callable[[World, JsonObject], JsonObject]

ROUTES: dict[str, tuple[set[str], Endpoint]] = {
    "/api/v5/otp": ({"POST", "GET"}, otp.send_otp),
    "/api/v5/otp/verify": ({"GET", "POST"}, otp.verify_otp),
    "/api/v5/otp/retry": ({"GET", "POST"}, otp.resend_otp),
    "/api/v5/flow": ({"POST"}, templated_sms.send_templated_sms),
}


def handle(world: World, request: Request, path: str) -> Response:
    """Answer one request to the path below MSG91's base URL."""
    methods, endpoint = ROUTES.get(path.rstrip("/"), (set(), None))
    if endpoint is None or request.method not in methods:
        return _json({"message": "Not Found", "type": "error"}, 404)
    key = request.headers.get("authkey") or request.args.get("authkey") or ""
    if not hmac.compare_digest(key.encode(), world.settings.msg91_auth_key.encode()):
        return error(401)
    if not world.msg91.knobs.ip_allowed:
        return _json({"message": "IP not whitelisted", "type": "error", "code": "418"})
    try:
        params = _read_params(request)
        with world.lock:
            body = endpoint(world, params)
            world.notify_change()
            return _json(body)
    except Refused as refusal:
        return _json(refusal.body)


def error(status: int) -> Response:
    """Return the answer for a status that a fault asks for."""
    if status == HTTPStatus.UNAUTHORIZED:
        body: JsonObject = {
            "message": "Unauthorized",
            "status": "fail",
            "hasError": True,
            "code": "201",
            "apiError": "201",
        }
        return _json(body, status)
    return _json({"message": "Something went wrong", "type": "error"}, status)


def _read_params(request: Request) -> JsonObject:
    """Merge the JSON body under the query string: MSG91 takes an operation's parameters from either."""
    raw = request.get_data()
    body: object = {}
    if raw.strip():
        try:
            body = json.loads(raw)
        except ValueError as error:
            raise Refused("Invalid JSON") from error
    if not isinstance(body, dict):
        raise Refused("Invalid JSON")
    return {**body, **{name: value for name, value in request.args.items() if name != "authkey"}}


def _json(body: JsonObject, status: int = 200) -> Response:
    return Response(json.dumps(body), status=status, mimetype="application/json")
