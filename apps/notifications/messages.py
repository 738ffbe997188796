"""The sentences that staff read about messages that did not arrive."""

import re

_ANSWERED = re.compile(r"(\d{3}): ?(.*)", re.DOTALL)
_RAISED = re.compile(r"([A-Z]\w*(?:Error|Exception|Disconnected|Refused|Timeout|Timed)\w*): ?(.*)", re.DOTALL)


def failure_text(error: str) -> str:
    """Return why a message was not sent, as a sentence; empty if nothing went wrong. What the other side said stays in it."""
    said = error.strip()
    if not said:
        return ""
    answered = _ANSWERED.fullmatch(said)
    if answered is not None:
        words = answered[2].strip().rstrip(".")
        return f"The provider answered {answered[1]}: {words}." if words else f"The provider answered {answered[1]}."
    raised = _RAISED.fullmatch(said)
    if raised is not None:
        words = raised[2].strip().rstrip(".")
        return f"The provider could not be reached: {words}." if words else "The provider could not be reached."
    return said if said.endswith((".", "!", "?")) else f"{said[0].upper()}{said[1:]}."
