"""The queues of the workers, the most urgent first, and which of them each piece of work waits in: `config.queues` says so."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache

from django.conf import settings
from django.utils.module_loading import import_string

#: Of this many messages that a worker takes, one is the next of a queue that is not the most urgent: a flood delays the
#: others and never stops them.
MESSAGES_PER_FAIR_TURN = 10
#: Hints of one queue that the broker holds, at most: about a megabyte. The others wait in Postgres.
MAX_HINTS = 1_000
#: Hints of one queue that the relay sends before it looks again for what is more urgent.
PASS_HINTS = 50


def handler_name(handler: Callable[..., object]) -> str:
    """Return the name under which a handler is stored with its runs."""
    return f"{handler.__module__}.{handler.__qualname__}"


@cache
def list_queues() -> tuple[str, ...]:
    """Return the names of all queues, the most urgent first."""
    return tuple(import_string(settings.QUEUES))


@cache
def _queues_by_work() -> dict[str, str]:
    work: dict[str, tuple[Callable[..., object] | str, ...]] = import_string(settings.QUEUES)
    return {
        each if isinstance(each, str) else handler_name(each): queue for queue, group in work.items() for each in group
    }


def find_queue(work: str) -> str:
    """Return the queue of a handler or a task by its name; what no queue names is the least urgent."""
    return _queues_by_work().get(work, list_queues()[-1])


def list_assignments() -> list[tuple[str, str]]:
    """Return each handler and each task by its name, with its queue."""
    return list(_queues_by_work().items())


def is_urgent(queue: str) -> bool:
    """Return whether somebody waits for the work of a queue: a child of each worker is kept free for such queues."""
    return queue in settings.MAX_QUEUE_WAIT_SECONDS


class PriorityCycle:
    """
    The order in which a worker looks at its queues for the next message: by their priority, with a fair share for each.

    Redis takes from the first queue that has a message. Every `MESSAGES_PER_FAIR_TURN` messages one look begins with the less urgent
    queues, with another of them each time. Kombu's transport for Redis calls these three methods.
    """

    def __init__(self) -> None:
        self._queues: list[str] = []
        self._taken = 0

    def update(self, queues: Iterable[str]) -> None:
        """Consume from these queues from now on; those that are not ours come last."""
        order = {queue: index for index, queue in enumerate(list_queues())}
        self._queues = sorted(queues, key=lambda queue: (order.get(queue, len(order)), queue))

    def consume(self, count: int) -> list[str]:
        """Return the queues in the order in which the next message is looked for."""
        turn, place = divmod(self._taken, MESSAGES_PER_FAIR_TURN)
        first, rest = self._queues[:1], self._queues[1:]
        if place < MESSAGES_PER_FAIR_TURN - 1 or not rest:
            return self._queues[:count]
        start = turn % len(rest)
        return [*rest[start:], *rest[:start], *first][:count]

    def rotate(self, last_used: str) -> str:
        """Count a message that was taken from a queue."""
        self._taken += 1
        return last_used


class HintBudget:
    """
    How many more hints may be sent to each queue of the broker: in all, and in one pass of the relay.

    A pass is short, so that what somebody waits for does not wait for hints of others to be sent.
    """

    def __init__(self, left: Mapping[str, int]) -> None:
        self._left = dict(left)
        self._left_in_pass: dict[str, int] = {}
        #: The queues of which more waits in Postgres than there was room for.
        self.waiting: set[str] = set()
        #: How many hints had no room in this pass.
        self.refused = 0
        self.begin_pass()

    @property
    def can_send_waiting(self) -> bool:
        """Whether there is room in the next pass for what had none."""
        return any(self._left.get(queue) for queue in self.waiting)

    def renew(self, left: Mapping[str, int]) -> None:
        """Take over how many more hints the broker takes of each queue."""
        self._left = dict(left)
        self.begin_pass()

    def begin_pass(self) -> None:
        """Begin another pass."""
        self.refused = 0
        self._left_in_pass = {queue: min(left, PASS_HINTS) for queue, left in self._left.items()}

    def count_left(self, queue: str) -> int:
        """Return how many hints of a queue may be sent in this pass."""
        return self._left_in_pass.get(queue, 0)

    def take(self, queue: str) -> bool:
        """Take the room of one hint, and return whether there was any."""
        if not self.count_left(queue):
            self.waiting.add(queue)
            self.refused += 1
            return False
        self._left_in_pass[queue] -= 1
        self._left[queue] -= 1
        return True

    def mark_waiting(self, claimed: Mapping[str, int], asked: Mapping[str, int]) -> None:
        """Note of which queues as many due runs were claimed as had been asked for: more of them may wait."""
        self.waiting -= {queue for queue, most in asked.items() if claimed.get(queue, 0) < most}
        self.waiting |= {queue for queue, most in asked.items() if claimed.get(queue, 0) == most}
