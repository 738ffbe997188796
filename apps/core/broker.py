"""Kombu's transport for Redis, with a connection error where Kombu's own raises an error that ends a worker."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport.redis import Channel, Transport
from redis.exceptions import ConnectionError as RedisConnectionError


class RedisChannel(Channel):
    """
    A channel that raises a connection error once its connection is closed.

    A message may be acknowledged, or returned to its queue, after its connection was lost. Kombu's own channel then raises an
    AttributeError, which nothing handles, so that the worker ends.
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
    """Kombu's transport for Redis with these channels."""

    Channel = RedisChannel


def register_redis_transport() -> None:
    """Make Kombu use this transport for every Redis broker, encrypted or not."""
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{RedisTransport.__module__}:{RedisTransport.__qualname__}"
