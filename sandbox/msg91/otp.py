"""/api/v5/otp: send, verify, send again."""

from __future__ import annotations

import re

from sandbox.json_types import JsonObject
from sandbox.msg91.errors import Refused
from sandbox.msg91.state import Channel, Otp, Sms
from sandbox.msg91.templates import fill_template
from sandbox.msg91.validation import read_mobile, read_number, read_text
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
_DEFAULT_LENGTH, _LENGTHS = 4, range(4, 10)
_DEFAULT_EXPIRY_MINUTES, _EXPIRY_MINUTES = 15, range(1, 7 * 24 * 60 + 1)


def send_otp(world: World, params: JsonObject) -> JsonObject:
    template_id = read_text(params, "template_id")
    if not world.msg91.knobs.knows(template_id):
        raise Refused("Template ID Missing or Invalid Template")
    mobile = read_mobile(params)
    length = read_number(params, "otp_length", _DEFAULT_LENGTH, _LENGTHS, error="invalid_otp_length")
    expiry = read_number(params, "otp_expiry", _DEFAULT_EXPIRY_MINUTES, _EXPIRY_MINUTES, error="invalid_otp_expiry")
    own = read_text(params, "otp")
    if own and not re.fullmatch(r"\d{4,9}", own):
        raise Refused("invalid_otp_length")
    now = world.clock.now()
    if world.msg91.is_duplicate(mobile=mobile, content=f"otp:{template_id}", now=now):
        raise Refused("Duplicate request within 10 seconds", "311")

    world.msg91.remember(mobile=mobile, content=f"otp:{template_id}", now=now)
    code = own or world.ids.digits("otp", length)
    otp = Otp(mobile=mobile, code=code, template_id=template_id, expires_at=now + expiry * 60)
    world.msg91.otps[mobile] = otp
    variables = {name: str(value) for name, value in params.items() if name not in _SEND_FIELDS}
    request_id = _send_message(world, otp, variables=variables, channel="text")
    return {"type": "success", "request_id": request_id}


def verify_otp(world: World, params: JsonObject) -> JsonObject:
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
    if read_text(params, "otp") != otp.code:
        otp.attempts += 1
        raise Refused("OTP not match")

    otp.verified = True
    return {"type": "success", "message": "OTP verified success"}


def resend_otp(world: World, params: JsonObject) -> JsonObject:
    mobile = read_mobile(params)
    otp = world.msg91.otps.get(mobile)
    if otp is None or otp.verified or world.clock.now() >= otp.expires_at:
        raise Refused("No OTP request found to retryotp")
    if otp.retries >= _MAX_RETRIES:
        raise Refused("OTP retry count maxed out")

    otp.retries += 1
    _send_message(world, otp, variables={}, channel="text" if params.get("retrytype") == "text" else "voice")
    return {"type": "success", "message": "retry send successfully"}


def _send_message(world: World, otp: Otp, *, variables: dict[str, str], channel: Channel) -> str:
    """Send the code of an OTP and return the id of the request."""
    template = world.msg91.knobs.templates.get(otp.template_id, "##OTP## is your one-time password.")
    sms = Sms(
        n=world.msg91.next_number(),
        at=world.clock.now(),
        to=otp.mobile,
        kind="otp",
        channel=channel,
        template_id=otp.template_id,
        variables=variables,
        text=fill_template(template, {**variables, "OTP": otp.code}),
        otp=otp.code,
        request_id=world.ids.hex("msg91", 24),
    )
    world.msg91.messages.append(sms)
    return sms.request_id
