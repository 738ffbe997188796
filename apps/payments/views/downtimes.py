"""API view of downtimes of payment methods."""

from django.db.models import QuerySet
from rest_framework.mixins import ListModelMixin

from apps.core import clock
from apps.core.api import ApiViewSet
from apps.payments.models import PaymentDowntime
from apps.payments.openapi.downtimes import describe_downtimes
from apps.payments.selectors import downtimes as selectors
from apps.payments.serializers.downtimes import PaymentDowntimeResponse


@describe_downtimes
class PaymentDowntimeViewSet(ListModelMixin, ApiViewSet):
    """Downtimes of payment methods that are under way or to come, for everybody who is signed in."""

    serializer_class = PaymentDowntimeResponse

    def get_queryset(self) -> "QuerySet[PaymentDowntime]":
        return selectors.list_open_downtimes(now=clock.now())
