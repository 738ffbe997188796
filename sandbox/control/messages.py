"""Control calls about what was sent: SMS and mail."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Protocol, TypeVar

from werkzeug.wrappers import Request, Response

from sandbox.control.lookups import as_list
from sandbox.control.request_body import CallRefused, read_query_number
from sandbox.json_types import JsonObject
from sandbox.state import World

LONGEST_WAIT_SECONDS = 60.0


class _Message(Protocol):
    n: int
    at: float


M = TypeVar("M", bound=_Message)


def list_sms(world: World, request: Request) -> JsonObject:
    to = re.sub(r"\D", "", request.args.get("to", ""))
    with world.lock:
        found = _wait_for_messages(world, request, lambda: world.msg91.messages, lambda sms: not to or sms.to == to)
        return as_list([asdict(sms) for sms in found])


def list_mails(world: World, request: Request) -> JsonObject:
    to = request.args.get("to", "").lower()
    with world.lock:
        found = _wait_for_messages(
            world,
            request,
            lambda: world.mailbox.mails,
            lambda mail: not to or to in (address.lower() for address in mail.to),
        )
        return as_list([mail.to_row() for mail in found])


def fetch_raw_mail(world: World, _request: Request, n: int) -> Response:
    with world.lock:
        if not 0 < n <= len(world.mailbox.mails):
            raise CallRefused(f"There is no mail {n}.", 404)
        return Response(world.mailbox.mails[n - 1].raw, mimetype="text/plain")


def _wait_for_messages(
    world: World, request: Request, read: Callable[[], Sequence[M]], matches: Callable[[M], bool]
) -> list[M]:
    """Return the matching messages, newest first; wait for the first one as long as the caller wants (seconds)."""
    since = read_query_number(request, "since", 0.0)
    after = read_query_number(request, "after", 0.0)
    deadline = time.monotonic() + read_query_number(request, "wait", 0.0, highest=LONGEST_WAIT_SECONDS)

    while True:
        found = [row for row in reversed(read()) if row.n > after and row.at >= since and matches(row)]
        left = deadline - time.monotonic()
        if found or left <= 0:
            return found
        world.lock.wait(left)
