"""The transport of the broker: a message whose connection was lost, and which messages a worker takes."""

from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import kombu.transport.redis
import pytest
import redis
import structlog
from celery import current_app
from kombu import Consumer, Queue
from kombu.message import Message
from redis.exceptions import ConnectionError as RedisConnectionError

from apps.core import clock
from apps.core.broker import RedisTransport
from apps.core.models import HandlerRun
from apps.core.tasks import find_backlog, send_hints
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


class Worker:
    """A worker with some children, on a connection of its own: it takes messages and finishes them when it is told."""

    def __init__(self, children: int, *queues: str) -> None:
        self.connection: Any = current_app.connection_for_read()
        self.channel = self.connection.channel()
        # A look at the queues is answered when there is a message, and by nothing else: a test that waits for time hangs.
        self.channel.brpop_timeout = 0
        self.channel.basic_qos(0, children, False)
        self.running: list[tuple[str, Message]] = []
        consumer = Consumer(self.channel, [Queue(queue) for queue in queues], on_message=self.begin, no_ack=False)
        consumer.consume()

    def begin(self, message: Message) -> None:
        self.running.append((message.delivery_info["routing_key"], message))

    def take(self, count: int = 1) -> list[str]:
        """Take as many messages and return their queues."""
        before = len(self.running)
        while len(self.running) < before + count:
            self.connection.drain_events(timeout=20)
        return [queue for queue, _ in self.running[before:]]

    def takes_none(self) -> bool:
        """Let the worker look for a message that it may take."""
        before = len(self.running)
        try:
            self.connection.drain_events(timeout=0.3)
        except TimeoutError:
            return len(self.running) == before
        return False

    def finish(self, queue: str) -> None:
        found = next(each for each in self.running if each[0] == queue)
        self.running.remove(found)
        found[1].ack()


def send(*queues: str) -> None:
    send_hints([[HandlerRun(queue=queue, created_at=clock.now(), sent_at=clock.now())] for queue in queues])


@pytest.fixture
def _broker() -> Iterator[None]:
    with broker():
        yield


@pytest.mark.usefixtures("_broker")
class TestWorker:
    ALL = ("documents", "buyer", "housekeeping", "exports", "money", "messages")

    def test_it_takes_the_most_urgent_first_whatever_came_first(self) -> None:
        send("housekeeping", "messages", "documents", "money", "buyer")
        worker = Worker(8, *self.ALL)

        assert worker.take(5) == ["buyer", "money", "documents", "messages", "housekeeping"]

    def test_work_that_nobody_waits_for_leaves_one_child_free(self) -> None:
        send("messages", "messages", "messages")
        worker = Worker(3, *self.ALL)

        assert worker.take(2) == ["messages", "messages"]
        assert worker.takes_none()
        send("buyer")
        assert worker.take() == ["buyer"]

    def test_when_it_has_finished_some_it_takes_the_next_at_once(self) -> None:
        send("messages", "messages", "messages")
        worker = Worker(3, *self.ALL)
        worker.take(2)
        assert worker.takes_none()

        worker.finish("messages")

        assert worker.take() == ["messages"]

    def test_urgent_work_may_take_every_child(self) -> None:
        send(*["money"] * 3)
        worker = Worker(3, *self.ALL)

        assert worker.take(3) == ["money"] * 3

    @pytest.mark.parametrize(
        ("children", "queues"), [(1, ALL), (3, ("documents", "messages")), (3, ("buyer", "money"))]
    )
    def test_one_child_and_a_worker_of_one_kind_take_whatever_there_is(
        self, children: int, queues: tuple[str, ...]
    ) -> None:
        send(*[queues[-1]] * children)
        worker = Worker(children, *queues)

        assert worker.take(children) == [queues[-1]] * children

    def test_a_worker_that_cannot_end_its_look_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        send("messages", "messages", "messages")
        worker = Worker(3, *self.ALL)
        worker.channel.brpop_timeout = 1
        worker.take(2)
        assert worker.takes_none()
        refused = Mock(side_effect=RedisConnectionError)

        with monkeypatch.context() as patched:
            patched.setattr(redis.Redis, "client_unblock", refused)
            worker.finish("messages")

        assert (refused.call_count, worker.take()) == (1, ["messages"])


@pytest.mark.usefixtures("_broker")
def test_the_relay_opens_its_connection_again_after_it_was_closed() -> None:
    send("buyer")
    assert find_backlog()["buyer"].hints == 1
    with current_app.pool.acquire(block=True) as connection:
        connection.close()

    send("buyer")

    assert find_backlog()["buyer"].hints == 2
    with current_app.pool.acquire(block=True) as connection:
        connection.close()
    assert find_backlog()["buyer"].hints == 2
