"""The worker's application: its tasks, and the clock's schedule."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.production")

app = Celery("bahi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.beat_schedule_filename = os.environ.get("BEAT_SCHEDULE_FILE", "/tmp/bahi-beat-schedule")  # noqa: S108
app.autodiscover_tasks()


@app.on_after_finalize.connect
def _read_schedule(sender: Celery, **_: object) -> None:
    # Late: the schedule names tasks, which need the apps to be loaded.
    from config.schedule import SCHEDULE

    sender.conf.beat_schedule = SCHEDULE
