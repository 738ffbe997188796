"""The worker's application: its tasks and queues, and the clock's schedule."""

import os

from celery import Celery
from celery.signals import task_prerun
from django.conf import settings
from django.db import close_old_connections
from kombu import Queue

from apps.core.broker import register_redis_transport
from apps.core.queues import find_queue, list_queues
from config.settings import settings_module

os.environ.setdefault("DJANGO_SETTINGS_MODULE", settings_module(os.environ))

register_redis_transport()
app = Celery("bahi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule_filename = str(settings.BEAT_SCHEDULE_FILE)
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _read_maps(sender: Celery, **_: object) -> None:
    from config.schedule import SCHEDULE  # noqa: PLC0415 - it names tasks, which need the apps to be loaded

    sender.conf.task_default_queue = list_queues()[-1]  # of a task that no queue names, as `find_queue` says
    sender.conf.task_queues = [Queue(name) for name in list_queues()]
    sender.conf.beat_schedule = {
        name: {**entry, "options": {"queue": find_queue(entry["task"])}} for name, entry in SCHEDULE.items()
    }


@task_prerun.connect
def _drop_dead_connections(**_: object) -> None:
    # Celery keeps a child's connection for CELERY_DB_REUSE_MAX tasks and never asks whether it still lives: after a restart
    # of Postgres every task would fail until then.
    close_old_connections()
