"""One typed reading of the environment: `base` for all, `local`, `test` and `production` for what differs."""

from collections.abc import Mapping

#: ENVIRONMENT -> the settings module that it runs with.
MODULES = {
    "local": "config.settings.local",
    "test": "config.settings.test",
    "staging": "config.settings.production",
    "production": "config.settings.production",
}


def settings_module(variables: Mapping[str, str]) -> str:
    """Return the settings module of the variables' ENVIRONMENT; production, the strictest, for none and for an unknown one."""
    return MODULES.get(variables.get("ENVIRONMENT", "").strip(), MODULES["production"])
