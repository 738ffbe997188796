"""How the description of the API presents addresses: summaries, errors and examples."""

from drf_spectacular.utils import OpenApiExample, extend_schema_view

from apps.accounts.openapi.log_in import NO_CONTENT
from apps.accounts.serializers.addresses import AddressResponse
from apps.core.api.schema import IF_MATCH, operation, page_example

_ADDRESS_EXAMPLE = {
    "id": "addr_01kaj7s2d4f0q9x3v6m8n1b5d0",
    "object": "address",
    "name": "Asha Rao",
    "company": "Rao Textiles",
    "phone": "+919876543210",
    "line1": "12 MG Road",
    "line2": "2nd floor",
    "city": "Bengaluru",
    "state": "29",
    "state_name": "Karnataka",
    "pin": "560001",
    "country": "IN",
    "gstin": "29AAGCB7383J1Z4",
    "is_default": True,
    "warnings": [],
    "created_at": "2026-11-21T05:40:00.000Z",
    "updated_at": "2026-11-21T05:40:00.000Z",
    "version": 1,
    "metadata": {},
}
_REQUEST_EXAMPLE = {
    name: _ADDRESS_EXAMPLE[name]
    for name in ("name", "company", "phone", "line1", "line2", "city", "state", "pin", "gstin", "is_default")
}

describe_addresses = extend_schema_view(
    list=operation(
        "list_my_addresses", "List my addresses", examples=[page_example(_ADDRESS_EXAMPLE, name="One address")]
    ),
    create=operation(
        "add_address",
        "Add an address",
        description="The first one is the default. A GSTIN must be valid, of the address's state, and not the shop's own."
        " The state may be left out where the PIN code lies in one state only; 400 `pin_state_mismatch` if the PIN code belongs"
        " to other states, or to several and none is given. Texts must fit on a GST invoice: 3 to 100 characters, without"
        " quotation mark and backslash, in any script.",
        responses={201: AddressResponse},
        examples=[
            OpenApiExample("A shop in Bengaluru", request_only=True, value=_REQUEST_EXAMPLE),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=_ADDRESS_EXAMPLE),
        ],
    ),
    retrieve=operation(
        "get_address",
        "Read an address",
        examples=[OpenApiExample("An address", response_only=True, value=_ADDRESS_EXAMPLE)],
    ),
    partial_update=operation(
        "change_address",
        "Change an address",
        description="Orders keep the address as it was when they were placed. A new PIN code of another state brings that state,"
        " unless one is given.",
        parameters=[IF_MATCH],
        examples=[
            OpenApiExample("Another floor", request_only=True, value={"line2": "3rd floor"}),
            OpenApiExample(
                "Changed", response_only=True, value={**_ADDRESS_EXAMPLE, "line2": "3rd floor", "version": 2}
            ),
        ],
    ),
    destroy=operation(
        "remove_address",
        "Remove an address",
        description="Orders keep their own copy of it.",
        responses={204: NO_CONTENT},
    ),
)
