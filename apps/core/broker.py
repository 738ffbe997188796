"""Kombu's transport to Redis, with the error of a closed connection that Kombu knows how to handle."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisChannel(Channel):
    """
    A channel that says of a closed connection that it is closed.

    A message of a connection that was lost meanwhile is acknowledged, or returned to its queue, over a closed connection. Kombu's own
    channel then raises an AttributeError, which nobody handles, so that a worker that lost its broker at such an instant would end.
    """

    def _get_pool(self, asynchronous: bool = False) -> Any:  # noqa: FBT001, FBT002 - the signature is Kombu's
        """
        Return a pool of connections.

        :raises redis.exceptions.ConnectionError: if the connection that this channel belongs to was closed
        """
        if self.connection is None or self.connection.client is None:
            raise RedisConnectionError("The connection of this channel was closed.")
        return super()._get_pool(asynchronous=asynchronous)  # type: ignore[misc]  # not in the stubs


class RedisTransport(Transport):
    """Kombu's transport to Redis with these channels."""

    Channel = RedisChannel


def use_transport() -> None:
    """Let each connection to a Redis broker, encrypted or not, use this transport."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{RedisTransport.__module__}:{RedisTransport.__qualname__}"
