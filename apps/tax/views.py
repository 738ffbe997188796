"""What clients ask before they sell or buy: is this a GSTIN, and what is the rate."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, with_etag
from apps.core.api.pagination import whole_list
from apps.core.api.schema import page_example
from apps.tax import rules, selectors
from apps.tax.serializers import (
    GSTIN_CHECK_EXAMPLE,
    STATE_EXAMPLE,
    TAX_RATE_EXAMPLE,
    GstinCheckResponse,
    GstStateListResponse,
    TaxRateListResponse,
    TaxRateResponse,
    gstin_check_data,
    parse_day,
    state_data,
)

PUBLIC = "public, max-age=60, stale-while-revalidate=300"


class GstinView(ApiView):
    """The local check of a GSTIN."""

    @extend_schema(
        operation_id="check_gstin",
        summary="Check a GSTIN",
        description="Form, state and check character. It does not ask the GST network whether the number is registered.",
        parameters=[OpenApiParameter("gstin", {"type": "string", "minLength": 1}, OpenApiParameter.PATH)],
        responses={200: GstinCheckResponse},
        examples=[OpenApiExample("A normal registration", value=GSTIN_CHECK_EXAMPLE, response_only=True)],
    )
    def retrieve(self, request: Request, gstin: str) -> Response:
        return with_etag(request, gstin_check_data(rules.check_gstin(gstin[:40])))


class StatesView(ApiView):
    """The states and union territories."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    @extend_schema(
        operation_id="list_states",
        summary="List states",
        description="Every state and union territory that an address can lie in, with its GST code and the beginnings of its PIN codes.",
        responses={200: GstStateListResponse},
        examples=[page_example(STATE_EXAMPLE, name="The states")],
    )
    def list(self, request: Request) -> Response:
        data = [state_data(state) for state in rules.STATES.values() if rules.is_supply_state(state.code)]
        return with_etag(request, whole_list(data), cache_control=PUBLIC)


class TaxRatesView(ApiView):
    """The GST rates by tax class."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    params = {"list": ("on",)}

    @extend_schema(
        operation_id="list_tax_rates",
        summary="List GST rates",
        description="The rate of every tax class on one day of the Indian calendar; today if none is given.",
        parameters=[OpenApiParameter("on", OpenApiTypes.DATE, description="The day, as 2026-11-21.")],
        responses={200: TaxRateListResponse},
        examples=[page_example(TAX_RATE_EXAMPLE, name="The rates of a day")],
    )
    def list(self, request: Request) -> Response:
        day = parse_day(self.query.get("on"), default=clock.ist_date(clock.now()))
        data = TaxRateResponse(selectors.list_rates(on=day), many=True).data
        body = whole_list(data)
        return with_etag(request, body, cache_control=PUBLIC)
