"""/api/v5/otp: send, verify, send again."""

from __future__ import annotations

import re
from typing import Any

from sandbox.msg91.errors import Refused
from sandbox.msg91.state import Otp
from sandbox.state import World

_SEND_FIELDS = {
    "template_id",
    "mobile",
    "otp",
    "otp_length",
    "otp_expiry",
    "realTimeResponse",
    "invisible",
    "unicode",
    "sender",
}
_MAX_ATTEMPTS = 5
_MAX_RETRIES = 3
_DEFAULT_LENGTH = 4
_DEFAULT_EXPIRY_MINUTES = 15
_MAX_EXPIRY_MINUTES = 7 * 24 * 60


def read_mobile(params: dict[str, Any], name: str = "mobile") -> str:
    """
    Return the number: country code and digits, no plus sign.

    :raises Refused: if it is missing or anything else
    """
    mobile = str(params.get(name) or "")
    if not mobile:
        raise Refused("Missing mobile no.", "101")
    if not re.fullmatch(r"[1-9]\d{10,14}", mobile):
        raise Refused("Invalid Mobile no.", "202")
    return mobile


def send(world: World, params: dict[str, Any]) -> dict[str, Any]:
    template_id = str(params.get("template_id") or "")
    if not world.msg91.knobs.knows(template_id):
        raise Refused("Template ID Missing or Invalid Template")
    mobile = read_mobile(params)
    length = _read_int(params, "otp_length", _DEFAULT_LENGTH, 4, 9, "invalid_otp_length")
    expiry = _read_int(params, "otp_expiry", _DEFAULT_EXPIRY_MINUTES, 1, _MAX_EXPIRY_MINUTES, "invalid_otp_expiry")
    own = str(params.get("otp") or "")
    if own and not re.fullmatch(r"\d{4,9}", own):
        raise Refused("invalid_otp_length")
    now = world.clock.now()
    if world.msg91.is_duplicate(mobile=mobile, content=f"otp:{template_id}", now=now):
        raise Refused("Duplicate request within 10 seconds", "311")

    code = own or world.ids.digits("otp", length)
    world.msg91.otps[mobile] = Otp(mobile=mobile, code=code, template_id=template_id, expires_at=now + expiry * 60)
    variables = {name: str(value) for name, value in params.items() if name not in _SEND_FIELDS}
    request_id = _message(world, mobile=mobile, template_id=template_id, code=code, variables=variables, channel="text")
    return {"type": "success", "request_id": request_id}


def verify(world: World, params: dict[str, Any]) -> dict[str, Any]:
    mobile = read_mobile(params)
    otp = world.msg91.otps.get(mobile)
    if otp is None:
        raise Refused("Mobile no. not found")
    if otp.verified:
        raise Refused("Mobile no. already verified")
    if otp.attempts >= _MAX_ATTEMPTS:
        raise Refused("Max limit reached for this otp verification")
    if world.clock.now() >= otp.expires_at:
        raise Refused("OTP expired")
    if str(params.get("otp") or "") != otp.code:
        otp.attempts += 1
        raise Refused("OTP not match")

    otp.verified = True
    return {"type": "success", "message": "OTP verified success"}


def retry(world: World, params: dict[str, Any]) -> dict[str, Any]:
    mobile = read_mobile(params)
    otp = world.msg91.otps.get(mobile)
    if otp is None or otp.verified or world.clock.now() >= otp.expires_at:
        raise Refused("No OTP request found to retryotp")
    if otp.retries >= _MAX_RETRIES:
        raise Refused("OTP retry count maxed out")

    otp.retries += 1
    channel = "text" if params.get("retrytype") == "text" else "voice"
    _message(world, mobile=mobile, template_id=otp.template_id, code=otp.code, variables={}, channel=channel)
    return {"type": "success", "message": "retry send successfully"}


def _read_int(params: dict[str, Any], name: str, default: int, lowest: int, highest: int, error: str) -> int:
    text = str(params.get(name) or default)
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise Refused(error)
    return int(text)


def _message(world: World, *, mobile: str, template_id: str, code: str, variables: dict[str, str], channel: str) -> str:
    request_id = world.ids.hex("msg91", 24)
    template = world.msg91.knobs.templates.get(template_id, "##OTP## is your one-time password.")
    world.msg91.add(
        at=world.clock.now(),
        to=mobile,
        kind="otp",
        channel=channel,
        template_id=template_id,
        variables=variables,
        text=fill(template, {**variables, "OTP": code}),
        otp=code,
        request_id=request_id,
    )
    return request_id


def fill(template: str, variables: dict[str, str]) -> str:
    """Put variables into a text with ##NAME## placeholders; unknown ones stay, as they would on the phone."""
    return re.sub(r"##(\w+)##", lambda match: variables.get(match[1], match[0]), template)
