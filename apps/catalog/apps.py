from django.apps import AppConfig


class CatalogConfig(AppConfig):
    name = "apps.catalog"
    label = "catalog"
    verbose_name = "Catalogue"

    def ready(self) -> None:
        from apps.catalog import sql
        from apps.core.hot_path import register_sql

        register_sql("catalog.find_shown_product", sql.find_shown_product)
        register_sql("catalog.list_shown_products", sql.list_shown_products)
