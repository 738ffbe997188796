"""What clients ask before they sell or buy: is this a GSTIN, and what is the rate."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.mixins import ListModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, WholeListPagination
from apps.core.api.responses import PUBLIC
from apps.tax import openapi, rules, selectors
from apps.tax.models import TaxRate
from apps.tax.serializers import (
    GstinCheckResponse,
    GstStateResponse,
    TaxRateQuery,
    TaxRateResponse,
    gstin_check_data,
    state_data,
)


@openapi.describe_gstin_checks
class GstinViewSet(ApiViewSet):
    """The local check of a GSTIN."""

    serializer_class = GstinCheckResponse
    lookup_url_kwarg = "gstin"

    def retrieve(self, request: Request, gstin: str) -> Response:
        return self.answer(gstin_check_data(rules.check_gstin(gstin[:40])))


@openapi.describe_states
class StateViewSet(ListModelMixin, ApiViewSet):
    """The states and union territories."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    cache_control = PUBLIC
    serializer_class = GstStateResponse
    pagination_class = WholeListPagination

    def get_queryset(self) -> Any:
        return [state_data(state) for state in rules.STATES.values() if rules.is_supply_state(state.code)]


@openapi.describe_tax_rates
class TaxRateViewSet(ListModelMixin, ApiViewSet):
    """The GST rates by tax class."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    cache_control = PUBLIC
    serializer_class = TaxRateResponse
    query_serializer_classes = {"list": TaxRateQuery}
    pagination_class = WholeListPagination

    def get_queryset(self) -> "QuerySet[TaxRate]":
        return selectors.list_rates(on=self.read_query().get("on") or clock.ist_date(clock.now()))
