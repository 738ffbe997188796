"""Why a message did not arrive, in words for staff."""

import pytest

from apps.notifications.messages import failure_text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ("", ""),
        ("550: 5.1.1 no such mailbox", "The provider responded with 550: 5.1.1 no such mailbox."),
        ("503:", "The provider responded with 503."),
        (
            "SMTPServerDisconnected: Connection unexpectedly closed",
            "The provider could not be reached: Connection unexpectedly closed.",
        ),
        ("Every attempt crashed.", "Every attempt crashed."),
        ("no answer within 30 s", "No answer within 30 s."),
    ],
)
def test_failure_text(error: str, text: str) -> None:
    assert failure_text(error) == text
