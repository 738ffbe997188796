"""
The app that a run of history installs: it shortens the waits of the product, and plants a mutant if one is named.

The product knows nothing of it, and no other settings install it.
"""

from __future__ import annotations

import os
from datetime import timedelta
from importlib import import_module

from django.apps import AppConfig

#: Module and name -> value. Claims stay longer than a call to the sandbox can take.
SHORTENED: dict[tuple[str, str], object] = {
    ("apps.core.relay", "RESEND_AFTER"): timedelta(seconds=15),
    ("apps.core.external_calls", "CLAIM_TTL"): timedelta(seconds=25),
    ("apps.payments.rules.polling", "_LIVE_WAITS"): (2, 3, 5, 5, 10),
    ("apps.payments.rules.polling", "_CLOSED_WAITS"): (3, 5, 5, 10, 10, 10, 20, 20, 30, 60),
    ("apps.payments.rules.polling", "_REFUND_WAITS"): (2, 2, 3, 5),
    ("apps.payments.rules.polling", "_WEBHOOK_WAITS"): (2, 3, 5, 10, 20),
    ("apps.payments.rules.polling", "PENDING_ATTEMPT_TTL"): timedelta(seconds=20),
}
MUTANT = "HISTORY_MUTANT"


class ShortWaits(AppConfig):
    """Shortens the waits when Django starts."""

    name = "devtools.history"
    label = "history"

    def ready(self) -> None:
        """Set the short waits, and plant the mutant that the environment names."""
        for (module, attribute), value in SHORTENED.items():
            setattr(import_module(module), attribute, value)
        if mutant := os.environ.get(MUTANT):
            from devtools.history import mutants

            mutants.plant(mutant)
