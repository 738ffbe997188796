"""How the description of the API presents customers: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.accounts import selectors
from apps.core.api.schema import operation, page_example
from apps.core.search import MAX_CHARACTERS, MIN_QUERY, QueryLengthOutOfRange

CUSTOMER_EXAMPLE: dict[str, Any] = {
    "id": "cus_01kaj7s2d4f0q9x3v6m8n1b5c8",
    "object": "customer",
    "name": "Asha Rao",
    "phone": "+91******3210",
    "email": "a***@example.in",
    "is_masked": True,
    "email_confirmed_at": "2026-11-21T05:32:00.000Z",
    "is_active": True,
    "is_staff": False,
    "created_at": "2026-11-21T05:30:20.000Z",
    "updated_at": "2026-11-21T05:32:00.000Z",
    "version": 2,
    "metadata": {},
}

describe_customers = extend_schema_view(
    list=operation(
        "list_customers",
        "List and search customers",
        description="For staff: everybody who has an account, staff too (`is_staff`), because staff may buy; newest first."
        " `phone` and `email` find one person, in any writing of the number. Contacts are masked,"
        " except for staff who may manage people.",
        examples=[page_example(CUSTOMER_EXAMPLE, name="One customer")],
        raises=[
            selectors.InvalidPhone(param="phone"),
            selectors.InvalidEmail(param="email"),
            QueryLengthOutOfRange(MIN_QUERY, MAX_CHARACTERS, param="q"),
        ],
    ),
    retrieve=operation(
        "get_customer",
        "Read a customer",
        description="For staff: anybody who has an account, staff too (`is_staff`). `GET /orders?customer_id=` lists their orders.",
        examples=[OpenApiExample("A customer", response_only=True, value=CUSTOMER_EXAMPLE)],
    ),
)
