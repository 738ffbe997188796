"""My addresses."""

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors, services
from apps.accounts.authentication import user_id_of
from apps.accounts.models import Address
from apps.accounts.serializers import AddressChangeRequest, AddressRequest, AddressResponse
from apps.accounts.services import AddressFields
from apps.core import clock
from apps.core.api import (
    ApiView,
    KeysetPagination,
    check_if_match,
    get_actor,
    get_etag,
    idempotent,
    list_response,
    with_etag,
)
from apps.core.api.schema import IF_MATCH, page_example, page_parameters
from apps.core.models import public_pk

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


class AddressesView(ApiView):
    """Where I am billed and receive goods."""

    shows_own_contacts = True
    params = {"list": KeysetPagination.PARAMS}

    @extend_schema(
        operation_id="list_my_addresses",
        summary="List my addresses",
        parameters=[
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: list_response(AddressResponse)},
        examples=[
            page_example(_ADDRESS_EXAMPLE, name="One address")
        ],
    )  # fmt: skip
    def list(self, request: Request) -> Response:
        rows = selectors.list_addresses(user_id=user_id_of(request))
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"}, default="-created_at", scope=f"addresses:{user_id_of(request)}"
        )
        page = pagination.page(rows, self.query)
        return with_etag(request, page.envelope([*AddressResponse(page.rows, many=True).data]))

    @extend_schema(
        operation_id="add_address",
        summary="Add an address",
        description=(
            "The first one is the default. A GSTIN must be valid, of the address's state, and not the shop's own."
            " The state may be left out where the PIN code lies in one state only; 400 `pin_state_mismatch` if the PIN code belongs"
            " to other states, or to several and none is given. Texts must fit on a GST invoice: 3 to 100 characters, without"
            " quotation mark and backslash, in any script."
        ),
        request=AddressRequest,
        responses={201: AddressResponse},
        examples=[
            OpenApiExample("A shop in Bengaluru", request_only=True, value=_REQUEST_EXAMPLE),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=_ADDRESS_EXAMPLE),
        ],
    )
    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        body = self.read(AddressRequest, request)
        is_default = body.pop("is_default", False)
        address = services.add_address(
            user_id=user_id_of(request),
            fields=AddressFields(**body),
            is_default=is_default,
            actor=get_actor(request),
            now=clock.now(),
        )
        location = f"/api/v1/me/addresses/{address.public_id}"
        headers = {"Location": location, "ETag": get_etag(address)}
        return Response(AddressResponse(address).data, status=201, headers=headers)

    @extend_schema(
        operation_id="get_address",
        summary="Read an address",
        responses={200: AddressResponse},
        examples=[OpenApiExample("An address", response_only=True, value=_ADDRESS_EXAMPLE)],
    )
    def retrieve(self, request: Request, address_id: str) -> Response:
        address = selectors.get_address(user_id=user_id_of(request), address_id=public_pk(Address, address_id))
        return with_etag(request, AddressResponse(address).data, etag=get_etag(address))

    @extend_schema(
        operation_id="change_address",
        summary="Change an address",
        description=(
            "Orders keep the address as it was when they were placed. A new PIN code of another state brings that state,"
            " unless one is given."
        ),
        parameters=[IF_MATCH],
        request=AddressChangeRequest,
        responses={200: AddressResponse},
        examples=[
            OpenApiExample("Another floor", request_only=True, value={"line2": "3rd floor"}),
            OpenApiExample(
                "Changed", response_only=True, value={**_ADDRESS_EXAMPLE, "line2": "3rd floor", "version": 2}
            ),
        ],
    )
    @idempotent(required=False)
    def partial_update(self, request: Request, address_id: str) -> Response:
        body = self.read(AddressChangeRequest, request)
        seen = selectors.get_address(user_id=user_id_of(request), address_id=public_pk(Address, address_id))
        check_if_match(request, seen)
        address = services.change_address(
            user_id=user_id_of(request),
            address_id=seen.pk,
            is_default=body.pop("is_default", None),
            changes=body,
            version=seen.version,
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(AddressResponse(address).data, headers={"ETag": get_etag(address)})

    @extend_schema(
        operation_id="remove_address",
        summary="Remove an address",
        description="Orders keep what they have of it.",
        request=None,
        responses={204: OpenApiResponse(description="Done; there is nothing to say.")},
    )
    @idempotent(required=False)
    def destroy(self, request: Request, address_id: str) -> Response:
        services.remove_address(
            user_id=user_id_of(request),
            address_id=public_pk(Address, address_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(status=204)
