"""Makes the development tools a Django app of local and test settings, so that manage.py finds their commands."""

from django.apps import AppConfig


class DevtoolsConfig(AppConfig):
    name = "devtools"
    label = "devtools"
    verbose_name = "Development tools"
