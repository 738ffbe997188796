"""What the relay has measured of the queues, as a test wants it, and a process that has not read it yet."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from apps.core import backlog
from apps.core.backlog import QueueBacklog


@contextmanager
def published_waits(**waits: float) -> Iterator[None]:
    """Let all processes read that these queues wait for so many seconds; without any there is no measure."""
    forget()
    if waits:
        backlog.publish({queue: QueueBacklog(hints=7, wait_seconds=wait) for queue, wait in waits.items()})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(backlog, "_reader", backlog._Reader())
        yield
    forget()


def forget() -> None:
    """Delete the measure and the counts of what was refused."""
    backlog._client().delete(backlog._KEY, backlog._REFUSED_KEY)
