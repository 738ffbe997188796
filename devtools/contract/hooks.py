"""What schemathesis loads: a fresh Idempotency-Key where it would send the example's, so that no request is a repetition."""

from __future__ import annotations

import itertools
from typing import Any

import schemathesis

KEY_EXAMPLE = "contract-key-0000"
_numbers = itertools.count(1)


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case[Any], **_: object) -> None:
    """Replace the key of the example; keys that were generated to be wrong are sent as they are."""
    if case.headers and case.headers.get("Idempotency-Key") == KEY_EXAMPLE:
        case.headers["Idempotency-Key"] = f"contract-key-{next(_numbers):06d}"
