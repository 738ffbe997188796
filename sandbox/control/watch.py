"""Read-only control calls: what was sent, what was received, and the settings."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Protocol, TypeVar

from werkzeug.wrappers import Request, Response

from sandbox.control.reading import Refused, query_number
from sandbox.state import World

_LONGEST_WAIT = 60.0


class _Message(Protocol):
    n: int
    at: float


M = TypeVar("M", bound=_Message)


def health(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        return {"ok": True, "now": world.clock.now(), "seed": world.ids.seed, "webhook_url": world.razorpay.policy.url}


def sms(world: World, request: Request) -> dict[str, Any]:
    to = re.sub(r"\D", "", request.args.get("to", ""))
    with world.lock:
        found = _wait_for_messages(
            world, request, lambda: world.msg91.messages, lambda message: not to or message.to == to
        )
        return _rows([asdict(message) for message in found])


def mails(world: World, request: Request) -> dict[str, Any]:
    to = request.args.get("to", "").lower()
    with world.lock:
        found = _wait_for_messages(
            world,
            request,
            lambda: world.mailbox.mails,
            lambda mail: not to or to in (address.lower() for address in mail.to),
        )
        return _rows([mail.row() for mail in found])


def raw_mail(world: World, request: Request, n: int) -> Response:
    with world.lock:
        if not 0 < n <= len(world.mailbox.mails):
            raise Refused(f"there is no mail {n}", 404)
        return Response(world.mailbox.mails[n - 1].raw, mimetype="text/plain")


def _wait_for_messages(
    world: World, request: Request, read: Callable[[], Sequence[M]], matches: Callable[[M], bool]
) -> list[M]:
    """Return the matching messages, newest first; wait for the first one as long as the caller asks (seconds)."""
    since = query_number(request, "since", 0.0)
    after = query_number(request, "after", 0.0)
    deadline = time.monotonic() + query_number(request, "wait", 0.0, highest=_LONGEST_WAIT)

    while True:
        found = [row for row in reversed(read()) if row.n > after and row.at >= since and matches(row)]
        left = deadline - time.monotonic()
        if found or left <= 0:
            return found
        world.lock.wait(left)


def journal(world: World, request: Request) -> dict[str, Any]:
    wanted = {name: value for name, value in request.args.items() if name in {"service", "direction", "path", "method"}}
    with world.lock:
        rows = world.journal.rows()
    return _rows([row for row in rows if all(row[name] == value for name, value in wanted.items())])


def webhooks(world: World, request: Request) -> dict[str, Any]:
    wait = query_number(request, "wait", 0.0, highest=_LONGEST_WAIT)
    settled = world.scheduler.wait_idle(wait)
    with world.lock:
        rows = [asdict(event) for event in world.razorpay.events.values()]
    return {"settled": settled, **_rows(rows)}


def faults(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        return _rows(world.faults.rows())


def knobs(world: World, request: Request) -> dict[str, Any]:
    with world.lock:
        return {
            "razorpay": asdict(world.razorpay.knobs),
            "webhooks": asdict(world.razorpay.policy),
            "msg91": asdict(world.msg91.knobs),
            "faults": world.faults.rows(),
        }


def _rows(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"count": len(items), "items": items}
