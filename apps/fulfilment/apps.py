from django.apps import AppConfig


class FulfilmentConfig(AppConfig):
    name = "apps.fulfilment"
    label = "fulfilment"
    verbose_name = "Fulfilment"

    def ready(self) -> None:
        from apps.fulfilment.selectors import find_erasure_blockers
        from apps.fulfilment.services.cancellation import cancel_shipments_of_order
        from apps.orders.services import add_cancellation_effect, add_erasure_blockers

        add_erasure_blockers(find_erasure_blockers)
        add_cancellation_effect(cancel_shipments_of_order)
