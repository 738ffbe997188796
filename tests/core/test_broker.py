"""A message that is acknowledged after its connection to the broker was lost."""

from typing import Any

import kombu.transport.redis
import pytest
import structlog
from celery import current_app
from kombu.message import Message
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.core.broker import RedisTransport
from tests.support.broker import broker

log = structlog.get_logger(__name__)


def message_of_lost_connection(connection: Any) -> Message:
    channel = connection.channel()
    connection.close()
    return Message(channel=channel, delivery_tag="1")


def test_acknowledging_a_message_of_a_lost_connection_raises_a_connection_error() -> None:
    with broker():
        connection = current_app.connection_for_read()
        message = message_of_lost_connection(connection)

    with pytest.raises(RedisConnectionError, match="was closed"):
        message.ack()
    message.ack_log_error(log, connection.connection_errors)

    assert connection.get_transport_cls() is RedisTransport
    assert not message.acknowledged


def test_control_kombus_own_transport_raises_an_attribute_error() -> None:
    """Once this fails, `apps.core.broker` has no purpose."""
    with broker():
        connection = current_app.connection_for_read()
        connection.transport_cls = kombu.transport.redis.Transport
        message = message_of_lost_connection(connection)

    with pytest.raises(AttributeError):
        message.ack_log_error(log, connection.connection_errors)
