"""Customers, for staff who may view people."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import filters, selectors
from apps.accounts.models import User
from apps.accounts.serializers.customers import CustomerResponse
from apps.core.api import ApiView, KeysetPagination, list_response, with_etag
from apps.core.api.permissions import requires
from apps.core.api.schema import page_example, page_parameters, query_parameter
from apps.core.models import is_staff_with, public_pk
from apps.core.search import MAX_CHARACTERS, MIN_QUERY, QueryLengthOutOfRange

_PHONE = {"type": "string", "minLength": 8, "maxLength": 24}
_EMAIL = {"type": "string", "minLength": 3, "maxLength": 254}
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


class CustomersView(ApiView):
    """Everybody who has an account. Phones and e-mail addresses are masked, except for staff who may manage people."""

    permission_classes = [requires("accounts.view_user")]
    params = {"list": (*KeysetPagination.PARAMS, *filters.PARAMS)}
    raises = {
        "list": (
            selectors.InvalidPhone(param="phone"),
            selectors.InvalidEmail(param="email"),
            QueryLengthOutOfRange(MIN_QUERY, MAX_CHARACTERS, param="q"),
        )
    }

    @extend_schema(
        operation_id="list_customers",
        summary="List and search customers",
        description=(
            "For staff: everybody who has an account, staff too (`is_staff`), because staff may buy; newest first."
            " `phone` and `email` find one person, in any writing of the number. Contacts are masked,"
            " except for staff who may manage people."
        ),
        parameters=[
            query_parameter("A phone number, an e-mail address, or a part of a name."),
            OpenApiParameter("phone", _PHONE, description="The phone number, in any writing."),
            OpenApiParameter("email", _EMAIL, description="The whole e-mail address."),
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: list_response(CustomerResponse)},
        examples=[page_example(CUSTOMER_EXAMPLE, name="One customer")],
    )
    def list(self, request: Request) -> Response:
        people = filters.filter_users(selectors.list_users(), self.query)
        wanted = sorted((name, text) for name, text in self.query.items() if name in filters.PARAMS)
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"}, default="-created_at", scope=f"customers:{wanted}"
        )
        page = pagination.page(people, self.query)
        return with_etag(request, page.envelope([*self._shown(request, page.rows, many=True)]))

    @extend_schema(
        operation_id="get_customer",
        summary="Read a customer",
        description="For staff: anybody who has an account, staff too (`is_staff`). `GET /orders?customer_id=` lists their orders.",
        responses={200: CustomerResponse},
        examples=[OpenApiExample("A customer", response_only=True, value=CUSTOMER_EXAMPLE)],
    )
    def retrieve(self, request: Request, customer_id: str) -> Response:
        person = selectors.get_user(public_pk(User, customer_id))
        # Hashed: who manages people sees more of the same version.
        return with_etag(request, self._shown(request, person))

    def _shown(self, request: Request, people: Any, *, many: bool = False) -> Any:
        is_masked = not is_staff_with(request.user, settings.CONTACT_DETAILS_PERMISSION)
        return CustomerResponse(people, many=many, context={"is_masked": is_masked}).data
