"""/api/v5/flow: templated messages to one or many."""

from __future__ import annotations

from typing import Any

from sandbox.msg91.errors import Refused
from sandbox.msg91.otp import fill, read_mobile
from sandbox.state import World


def send(world: World, params: dict[str, Any]) -> dict[str, Any]:
    template_id = str(params.get("template_id") or params.get("flow_id") or "")
    if not template_id:
        raise Refused("template id missing")
    if not world.msg91.knobs.knows(template_id):
        raise Refused("Template ID Missing or Invalid Template")
    recipients = params.get("recipients")
    if not isinstance(recipients, list) or not recipients or not all(isinstance(row, dict) for row in recipients):
        raise Refused("recipients missing")
    mobiles = [read_mobile(row, "mobiles") for row in recipients]
    texts = [_render(world, template_id, row) for row in recipients]
    now = world.clock.now()
    if any(
        world.msg91.is_duplicate(mobile=mobile, content=f"flow:{template_id}:{text}", now=now)
        for mobile, (text, _) in zip(mobiles, texts, strict=True)
    ):
        raise Refused("Duplicate request within 10 seconds", "311")

    request_id = world.ids.hex("msg91", 24)
    for mobile, (text, variables) in zip(mobiles, texts, strict=True):
        world.msg91.add(
            at=now,
            to=mobile,
            kind="flow",
            channel="text",
            template_id=template_id,
            variables=variables,
            text=text,
            otp=None,
            request_id=request_id,
        )
    return {"message": request_id, "type": "success"}


def _render(world: World, template_id: str, recipient: dict[str, Any]) -> tuple[str, dict[str, str]]:
    """Return the text and its variables; a template whose text we were not given is shown as its variables."""
    variables = {name: str(value) for name, value in recipient.items() if name != "mobiles"}
    template = world.msg91.knobs.templates.get(template_id)
    if template is None:
        shown = ", ".join(f"{name}={value}" for name, value in variables.items())
        return f"[{template_id}] {shown}", variables
    return fill(template, variables), variables
