"""What goes over the wire as JSON: values whose kind only the one who reads them can check."""

from __future__ import annotations

JsonObject = dict[str, object]
