"""/api/v5/flow: templated messages to one recipient or many."""

from __future__ import annotations

from typing import NamedTuple

from sandbox.json_types import JsonObject
from sandbox.msg91.errors import Refused
from sandbox.msg91.state import Sms
from sandbox.msg91.templates import fill_template
from sandbox.msg91.validation import read_mobile, read_text
from sandbox.state import World


class _Draft(NamedTuple):
    """A message that is to be sent."""

    to: str
    text: str
    variables: dict[str, str]


def send_templated_sms(world: World, params: JsonObject) -> JsonObject:
    template_id = _read_template_id(world, params)
    recipients = _read_recipients(params)
    drafts = [_draft_message(world, template_id, row) for row in recipients]
    _refuse_duplicates(world, template_id, drafts)

    request_id = world.ids.hex("msg91", 24)
    for draft in drafts:
        world.msg91.messages.append(
            Sms(
                n=world.msg91.next_number(),
                at=world.clock.now(),
                to=draft.to,
                kind="flow",
                channel="text",
                template_id=template_id,
                variables=draft.variables,
                text=draft.text,
                otp=None,
                request_id=request_id,
            )
        )
    return {"message": request_id, "type": "success"}


def _read_template_id(world: World, params: JsonObject) -> str:
    template_id = read_text(params, "template_id") or read_text(params, "flow_id")
    if not template_id:
        raise Refused("template id missing")
    if not world.msg91.knobs.knows(template_id):
        raise Refused("Template ID Missing or Invalid Template")
    return template_id


def _read_recipients(params: JsonObject) -> list[JsonObject]:
    recipients = params.get("recipients")
    if not isinstance(recipients, list) or not recipients or not all(isinstance(row, dict) for row in recipients):
        raise Refused("recipients missing")
    return recipients


def _draft_message(world: World, template_id: str, recipient: JsonObject) -> _Draft:
    """Return the message of a recipient; a template without a text in the knobs is shown as its variables."""
    mobile = read_mobile(recipient, "mobiles")
    variables = {name: str(value) for name, value in recipient.items() if name != "mobiles"}
    template = world.msg91.knobs.templates.get(template_id)
    if template is None:
        shown = ", ".join(f"{name}={value}" for name, value in variables.items())
        return _Draft(mobile, f"[{template_id}] {shown}", variables)
    return _Draft(mobile, fill_template(template, variables), variables)


def _refuse_duplicates(world: World, template_id: str, drafts: list[_Draft]) -> None:
    now = world.clock.now()
    for draft in drafts:
        content = f"flow:{template_id}:{draft.text}"
        if world.msg91.is_duplicate(mobile=draft.to, content=content, now=now):
            raise Refused("Duplicate request within 10 seconds", "311")
        world.msg91.remember(mobile=draft.to, content=content, now=now)
