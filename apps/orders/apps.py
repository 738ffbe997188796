from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "apps.orders"
    label = "orders"
    verbose_name = "Orders"

    def ready(self) -> None:
        from apps.core.hot_path import register_sql
        from apps.orders import sql
        from apps.orders.services import prepared_placement

        register_sql("orders.find_shown_order", sql.find_shown_order)
        register_sql("orders.place_order", prepared_placement.place_order)
