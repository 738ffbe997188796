"""The worker's children are watched again with each new connection to the broker, also while one has ended and is not replaced yet."""

from types import SimpleNamespace
from typing import Any

import pytest
from celery.concurrency.asynpool import AsynPool
from django.conf import settings
from kombu.asynchronous import Hub

from apps.core.worker import ReconnectingAsynPool, ReconnectingTaskPool
from config.celery import app


@pytest.fixture
def hub() -> Any:
    hub = Hub()
    yield hub
    hub.close()


def watch(pool_class: type[AsynPool], child: Any, hub: Any) -> set[int]:
    """Have a pool watch one child again, and return the descriptors that the event loop watches then."""
    pool = pool_class.__new__(pool_class)
    pool._track_child_process(child, hub)
    return set(hub.readers)


def test_a_child_that_has_ended_is_not_watched_again(hub: Any) -> None:
    assert watch(ReconnectingAsynPool, SimpleNamespace(_sentinel_poll=None), hub) == set()


def test_a_child_that_runs_is_watched_again(hub: Any, tmp_path: Any) -> None:
    with (tmp_path / "sentinel").open("w") as sentinel:
        hub.poller.register = lambda *_: None  # a file cannot be polled; what counts is what is watched
        assert watch(ReconnectingAsynPool, SimpleNamespace(_sentinel_poll=sentinel.fileno()), hub) == {
            sentinel.fileno()
        }


def test_celery_still_fails_at_a_child_that_has_ended(hub: Any) -> None:
    """When this fails, Celery has mended it, and our pool can go."""
    with pytest.raises(ValueError, match="file descriptor is None"):
        watch(AsynPool, SimpleNamespace(_sentinel_poll=None), hub)


def test_the_worker_uses_the_pool() -> None:
    assert settings.CELERY_WORKER_POOL == "apps.core.worker:ReconnectingTaskPool"
    assert app.conf.worker_pool == settings.CELERY_WORKER_POOL
    assert ReconnectingTaskPool.Pool is ReconnectingAsynPool
