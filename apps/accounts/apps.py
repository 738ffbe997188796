from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"
    verbose_name = "Accounts"

    def ready(self) -> None:
        from apps.accounts import sql
        from apps.core.hot_path import register_sql

        register_sql("accounts.find_authenticated_user", sql.find_authenticated_user)
