from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    name = "apps.payments"
    label = "payments"
    verbose_name = "Payments"

    def ready(self) -> None:
        from apps.core.hot_path import register_sql
        from apps.orders.services import add_erasure_blockers
        from apps.payments import sql
        from apps.payments.selectors.erasure import find_erasure_blockers
        from apps.payments.selectors.order_totals import get_order_totals_by_sql

        register_sql("payments.find_shown_payment", sql.find_shown_payment)
        register_sql("payments.get_order_totals", get_order_totals_by_sql)
        register_sql("payments.list_current_downtimes", sql.list_current_downtimes)
        add_erasure_blockers(find_erasure_blockers)
