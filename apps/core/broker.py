"""Kombu's transport for Redis: a connection error where Kombu's own ends a worker, and a child kept free for urgent queues."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, QoS, Transport
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from apps.core.queues import is_urgent


class UrgencyQoS(QoS):
    """What a worker has taken and not finished, one message a child."""

    def count_not_urgent(self) -> int:
        """Return how many of its messages are of queues that nobody waits for."""
        taken: dict[str, Any] = self._delivered or {}
        finished: set[str] = self._dirty or set()
        return sum(
            not is_urgent(message.delivery_info["routing_key"]) for tag, message in taken.items() if tag not in finished
        )


class RedisChannel(Channel):
    """
    A channel that raises a connection error once its connection is closed, and takes no work that would fill its worker.

    A message may be acknowledged, or returned to its queue, after its connection was lost. Kombu's own channel then raises an
    AttributeError, which nothing handles, so that the worker ends.

    Work that nobody waits for may take long: a provider of messages that does not answer, a large PDF. Of a worker's
    children it occupies all but one; while it does, only urgent queues are looked at. A worker with one child, or without an
    urgent queue, takes whatever there is.
    """

    QoS = UrgencyQoS
    #: By which id Redis knows the connection of a look at the urgent queues alone, while it holds one.
    _narrow_look: int | None = None

    def _get_pool(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - the signature is Kombu's
        """
        Return a pool of connections.

        :raises redis.exceptions.ConnectionError: if the connection that this channel belongs to was closed
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("The connection of this channel was closed.")
        return super()._get_pool(asynchronous=asynchronous)  # type: ignore[misc]  # not in the stubs

    def _brpop_start(self, timeout: float | None = None) -> None:
        """Look for the next message: Redis holds the look until there is one, or for a second."""
        self._narrow_look = None
        cycle: Any = self._queue_cycle  # type: ignore[has-type]
        if self._is_last_child_free():
            look = self.client.connection
            look.send_command("CLIENT", "ID")
            self._narrow_look = int(look.read_response())
            self._queue_cycle = _UrgentOnly(cycle)
        try:
            super()._brpop_start(timeout=timeout)  # type: ignore[misc]
        finally:
            self._queue_cycle = cycle

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:  # noqa: FBT001, FBT002
        """Acknowledge a message; the child that has finished it may take any other now, so a look at the urgent ones alone ends."""
        super().basic_ack(delivery_tag, multiple=multiple)
        self._end_narrow_look()

    def basic_reject(self, delivery_tag: str, requeue: bool = False) -> None:  # noqa: FBT001, FBT002
        """Return or drop a message, as `basic_ack` does."""
        super().basic_reject(delivery_tag, requeue=requeue)
        self._end_narrow_look()

    def _is_last_child_free(self) -> bool:
        are_urgent = [is_urgent(queue) for queue in self.active_queues]
        children = self.qos.prefetch_count or 0
        is_mixed = any(are_urgent) and not all(are_urgent)
        return is_mixed and children > 1 and self.qos.count_not_urgent() >= children - 1  # type: ignore[attr-defined]

    def _end_narrow_look(self) -> None:
        look, self._narrow_look = self._narrow_look, None
        if look is None:
            return
        try:
            with self.conn_or_acquire() as client:
                client.client_unblock(look)
        except RedisError:
            return  # it ends by itself after a second


class _UrgentOnly:
    """The urgent queues of a cycle."""

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle

    def consume(self, count: int) -> list[str]:
        """Return the urgent queues in the order in which the next message is looked for."""
        return [queue for queue in self._cycle.consume(count) if is_urgent(queue)]


class RedisTransport(Transport):
    """Kombu's transport for Redis with these channels."""

    Channel = RedisChannel


def register_redis_transport() -> None:
    """Make Kombu use this transport for every Redis broker, encrypted or not."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{RedisTransport.__module__}:{RedisTransport.__qualname__}"
