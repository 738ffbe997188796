"""The user's in-app messages and their read marks."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiViewSet, idempotent
from apps.core.models import public_pk
from apps.notifications import openapi
from apps.notifications.filters import NotificationFilterSet
from apps.notifications.models import Notification
from apps.notifications.pagination import NotificationPagination
from apps.notifications.selectors import messages
from apps.notifications.serializers import (
    MarkedResponse,
    NotificationResponse,
)
from apps.notifications.services import inbox


@openapi.describe_notifications
class NotificationViewSet(ListModelMixin, ApiViewSet):
    """My in-app messages and their read marks."""

    shows_own_contacts = True
    serializer_class = NotificationResponse
    serializer_classes = {"mark_all_read": MarkedResponse}
    filterset_class = NotificationFilterSet
    pagination_class = NotificationPagination
    lookup_url_kwarg = "notification_id"

    @property
    def me(self) -> UUID:
        user: Any = self.request.user
        pk: UUID = user.pk
        return pk

    def get_queryset(self) -> "QuerySet[Notification]":
        return messages.list_in_app_messages(user_id=self.me)

    @action(detail=True, methods=["post"], url_path="read")
    @idempotent(required=False)
    def mark_read(self, request: Request, notification_id: str) -> Response:
        pk = public_pk(Notification, notification_id)
        notification = inbox.mark_read(user_id=self.me, notification_id=pk, now=clock.now())
        return Response(self.get_serializer(notification).data)

    @action(detail=False, methods=["post"], url_path="read")
    @idempotent(required=False)
    def mark_all_read(self, request: Request) -> Response:
        marked = inbox.mark_all_read(user_id=self.me, now=clock.now())
        unread = messages.count_unread(user_id=self.me)
        body = {"object": "notification_marks", "marked": marked, "unread_count": unread}
        return Response(self.get_serializer(body).data)
