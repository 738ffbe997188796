from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"
    verbose_name = "Payments"

    def ready(self) -> None:
        from apps.orders.services import add_obstacles
        from apps.payments.selectors import find_erasure_obstacles

        add_obstacles(find_erasure_obstacles)
