from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class CoreConfig(AppConfig):
    name = "apps.core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        # First: DRF's views read settings that name classes of this package, and could not if it were they that load it.
        import_module("apps.core.api")
        import_module("apps.core.checks")


class BackOfficeConfig(admin_apps.AdminConfig):
    """Django's admin with our site, in place of `django.contrib.admin`."""

    default = False  # of this module; it is named in the settings
    default_site = "apps.core.admin_site.BahiAdminSite"
