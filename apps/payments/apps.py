from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"
    verbose_name = "Payments"

    def ready(self) -> None:
        from apps.orders.services import add_erasure_blockers
        from apps.payments.selectors.erasure import find_erasure_blockers

        add_erasure_blockers(find_erasure_blockers)
