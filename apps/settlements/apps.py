from django.apps import AppConfig


class SettlementsConfig(AppConfig):
    name = "apps.settlements"
    label = "settlements"
    verbose_name = "Settlements"

    def ready(self) -> None:
        from apps.settlements.services.exception_resolution import register_resolvers

        register_resolvers()
