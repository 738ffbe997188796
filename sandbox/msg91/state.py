"""The messages that went out, the one-time passwords in force, and the account's knobs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sandbox.json_types import JsonObject

Channel = Literal["text", "voice"]


@dataclass(kw_only=True)
class Sms:
    """One message as a phone would show it. `at` is seconds UTC; `otp` is None for ordinary messages."""

    n: int
    at: float
    to: str
    kind: Literal["otp", "flow"]
    channel: Channel
    template_id: str
    variables: dict[str, str]
    text: str
    otp: str | None
    request_id: str


@dataclass(kw_only=True)
class Otp:
    """The latest one-time password of a number; times in seconds UTC."""

    mobile: str
    code: str
    template_id: str
    expires_at: float
    attempts: int = 0
    retries: int = 0
    verified: bool = False


@dataclass(kw_only=True)
class Knobs:
    """
    Where accounts differ.

    `duplicate_window_seconds` above 0 refuses the same message to the same number within it (error 311; the real
    window is 10). `templates` maps ids to texts with ##NAME## placeholders; with `strict_templates` no other id is
    known, else every id but `wrong-template` is.
    """

    duplicate_window_seconds: float = 0.0
    ip_allowed: bool = True
    strict_templates: bool = False
    templates: dict[str, str] = field(default_factory=dict)

    def knows(self, template_id: str) -> bool:
        if template_id in self.templates:
            return True
        return bool(template_id) and template_id != "wrong-template" and not self.strict_templates


class Msg91:
    """The account's data. Callers hold the world's lock."""

    def __init__(self) -> None:
        self.knobs = Knobs()
        self.messages: list[Sms] = []
        self.otps: dict[str, Otp] = {}
        self.latest: dict[tuple[str, str], float] = {}

    def next_number(self) -> int:
        """Return the number of the next message, from 1 upwards."""
        return len(self.messages) + 1

    def is_duplicate(self, *, mobile: str, content: str, now: float) -> bool:
        """Return whether the same content was sent to the same number within the window of the knobs."""
        earlier = self.latest.get((mobile, content))
        return earlier is not None and now - earlier < self.knobs.duplicate_window_seconds

    def remember(self, *, mobile: str, content: str, now: float) -> None:
        """Remember when a content was sent to a number."""
        self.latest[mobile, content] = now

    def dump(self) -> JsonObject:
        return {
            "messages": [asdict(sms) for sms in self.messages],
            "otps": [asdict(otp) for otp in self.otps.values()],
        }

    def load(self, data: dict[str, Any]) -> None:
        self.messages = [Sms(**row) for row in data["messages"]]
        self.otps = {row["mobile"]: Otp(**row) for row in data["otps"]}
