"""Customers, for staff who may view people."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import selectors
from apps.accounts.filters import CustomerFilterSet
from apps.accounts.models import User
from apps.accounts.openapi.customers import describe_customers
from apps.accounts.pagination import CustomerPagination
from apps.accounts.serializers.customers import CustomerResponse
from apps.core.api import ApiViewSet
from apps.core.api.permissions import requires
from apps.core.models import is_staff_with, public_pk


@describe_customers
class CustomerViewSet(ListModelMixin, ApiViewSet):
    """Everybody who has an account. Phones and e-mail addresses are masked, except for staff who may manage people."""

    permission_classes = [requires("accounts.view_user")]
    serializer_class = CustomerResponse
    filterset_class = CustomerFilterSet
    pagination_class = CustomerPagination
    lookup_url_kwarg = "customer_id"

    def get_queryset(self) -> "QuerySet[User]":
        return selectors.list_users()

    def get_serializer_context(self) -> dict[str, Any]:
        is_masked = not is_staff_with(self.request.user, settings.CONTACT_DETAILS_PERMISSION)
        return {**super().get_serializer_context(), "is_masked": is_masked}

    def retrieve(self, request: Request, customer_id: str) -> Response:
        person = selectors.get_user(public_pk(User, customer_id))
        # Hashed: who manages people sees more of the same version.
        return self.answer(self.get_serializer(person).data)
