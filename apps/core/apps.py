from importlib import import_module

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        # First: DRF's views read settings that name classes of this package, and could not if it were they that load it.
        import_module("apps.core.api")
