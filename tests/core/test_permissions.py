"""What people read who lack a permission."""

import pytest
from rest_framework import exceptions as drf

from apps.core.api.errors import exception_response
from apps.core.api.permissions import requires


class TestRequires:
    @pytest.mark.parametrize(
        ("permission", "what"),
        [
            ("fulfilment.change_shipment", "change shipments"),
            ("ledger.view_reconciliationexception", "view reconciliation exceptions"),
            ("accounts.manage_users", "manage users"),
        ],
    )
    def test_names_what_is_missing(self, permission: str, what: str) -> None:
        assert requires(permission).message == (  # type: ignore[attr-defined]
            f"Only staff who may {what} can do this. Log in with such an account, or ask an administrator for a role that has the"
            f" permission {permission}."
        )


def test_a_refusal_without_a_reason_says_what_to_do() -> None:
    answer = exception_response(drf.PermissionDenied())

    assert answer is not None
    assert answer.data["error"]["message"] == "Your account may not do this. Log in with an account that may."
