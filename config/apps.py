"""What Django starts besides the apps: the Celery application."""

from importlib import import_module

from django.apps import AppConfig


class CeleryConfig(AppConfig):
    """Makes the Celery application, so that whatever process sends a task uses the configured broker."""

    name = "config"

    def ready(self) -> None:
        import_module("config.celery")
