"""My addresses."""

from django.db.models import QuerySet
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors
from apps.accounts.authentication import user_id_of
from apps.accounts.models import Address
from apps.accounts.openapi.addresses import describe_addresses
from apps.accounts.serializers.addresses import AddressChangeRequest, AddressRequest, AddressResponse
from apps.accounts.services import addresses
from apps.accounts.services.addresses import AddressFields
from apps.core import clock
from apps.core.api import ApiViewSet, check_if_match, get_actor, get_etag, idempotent
from apps.core.models import public_pk


@describe_addresses
class AddressViewSet(ListModelMixin, ApiViewSet):
    """Where I am billed and receive goods."""

    shows_own_contacts = True
    serializer_class = AddressResponse
    request_serializer_classes = {"create": AddressRequest, "partial_update": AddressChangeRequest}
    lookup_url_kwarg = "address_id"

    def get_queryset(self) -> "QuerySet[Address]":
        return selectors.list_addresses(user_id=user_id_of(self.request))

    def get_object(self) -> Address:
        address_id = public_pk(Address, self.kwargs["address_id"])
        return selectors.get_address(user_id=user_id_of(self.request), address_id=address_id)

    @idempotent(required=False)
    def create(self, request: Request) -> Response:
        body = self.read_body()
        is_default = body.pop("is_default", False)
        address = addresses.add_address(
            user_id=user_id_of(request),
            fields=AddressFields(**body),
            is_default=is_default,
            actor=get_actor(request),
            now=clock.now(),
        )
        location = f"/api/v1/me/addresses/{address.public_id}"
        headers = {"Location": location, "ETag": get_etag(address)}
        return Response(self.get_serializer(address).data, status=201, headers=headers)

    def retrieve(self, request: Request, address_id: str) -> Response:
        address = self.get_object()
        return self.answer(self.get_serializer(address).data, etag=get_etag(address))

    @idempotent(required=False)
    def partial_update(self, request: Request, address_id: str) -> Response:
        body = self.read_body()
        seen = self.get_object()
        check_if_match(request, seen)
        address = addresses.change_address(
            user_id=user_id_of(request),
            address_id=seen.pk,
            is_default=body.pop("is_default", None),
            changes=body,
            version=seen.version,
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(address).data, headers={"ETag": get_etag(address)})

    @idempotent(required=False)
    def destroy(self, request: Request, address_id: str) -> Response:
        addresses.remove_address(
            user_id=user_id_of(request),
            address_id=public_pk(Address, address_id),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(status=204)
