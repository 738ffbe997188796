from django.apps import AppConfig


class LedgerConfig(AppConfig):
    name = "apps.ledger"
    label = "ledger"
    verbose_name = "Ledger"

    def ready(self) -> None:
        from apps.core.hot_path import register_sql
        from apps.ledger.services import postings

        register_sql("ledger.post_to_ledger", postings.post_to_ledger_by_sql)
