"""When code runs. The Celery application is made here, so that whatever process sends a task uses the configured broker."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
