"""Makes the development tools a Django app of local and test settings, so that manage.py finds their commands."""

from django.apps import AppConfig


class DevtoolsConfig(AppConfig):
    """The app of the commands of devtools."""

    name = "devtools"
    label = "devtools"
    verbose_name = "Development tools"
