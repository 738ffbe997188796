"""The broker of the tests: a database of the session's own Valkey, one for each test process, and a worker that is told when."""

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from celery import current_app
from django.conf import settings
from kombu import pools

from apps.core import tasks
from config.settings.environment.servers import read_redis
from tests.support.redis_databases import BROKER_DATABASE, with_database


class Broker:
    """What the broker holds, read past Celery."""

    def __init__(self, client: "redis.Redis[bytes]") -> None:
        self.client = client

    def count(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        return int(self.client.llen(queue))

    def consume(self, queue: str, count: int) -> int:
        """Run the oldest messages of a queue, as a worker would, and return how many there were."""
        done = 0
        while done < count and (message := self.client.rpop(queue)) is not None:
            _, kwargs, _ = json.loads(b64decode(json.loads(message)["body"]))
            tasks.run_handlers(**kwargs)
            done += 1
        return done


@contextmanager
def broker() -> Iterator[Broker]:
    """Let what sends tasks reach an empty broker."""
    url = with_database(settings.REDIS_URL, BROKER_DATABASE)
    client = redis.Redis.from_url(url)
    client.flushdb()
    before = os.environ.get("CELERY_BROKER_URL")
    os.environ["CELERY_BROKER_URL"] = read_redis(url).broker_url
    _forget_connections()
    try:
        yield Broker(client)
    finally:
        _forget_connections()
        if before is None:
            del os.environ["CELERY_BROKER_URL"]
        else:
            os.environ["CELERY_BROKER_URL"] = before
        client.flushdb()
        client.close()


def _forget_connections() -> None:
    pools.reset()
    current_app._after_fork()
