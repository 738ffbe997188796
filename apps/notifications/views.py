"""The in-app messages of whoever asks."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock
from apps.core.api import ApiView, KeysetPagination, idempotent, with_etag
from apps.core.models import public_pk
from apps.notifications import filters, selectors, services
from apps.notifications.models import Notification
from apps.notifications.serializers import (
    MESSAGE_EXAMPLE,
    MarkedResponse,
    NotificationPageResponse,
    NotificationResponse,
)


class MyNotificationsView(ApiView):
    """My in-app messages and their read marks."""

    params = {"list": (*KeysetPagination.PARAMS, "unread")}

    @property
    def me(self) -> UUID:
        user: Any = self.request.user
        pk: UUID = user.pk
        return pk

    @extend_schema(
        operation_id="list_my_notifications",
        summary="List my notifications",
        description="In-app messages, newest first. `unread_count` counts all that I have not read, whatever the page.",
        parameters=[
            OpenApiParameter("unread", OpenApiTypes.BOOL, description="Only unread messages, or only read ones."),
            OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 100; 20 if not given."),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="`next_cursor` or `prev_cursor` of another page."),
            OpenApiParameter("sort", OpenApiTypes.STR, enum=["-created_at", "created_at"]),
        ],
        responses={200: NotificationPageResponse},
        examples=[
            OpenApiExample(
                "A page",
                response_only=True,
                value={
                    "object": "list",
                    "data": [MESSAGE_EXAMPLE],
                    "has_more": False,
                    "next_cursor": None,
                    "prev_cursor": None,
                    "unread_count": 1,
                },
            )
        ],
    )
    def list(self, request: Request) -> Response:
        unread = filters.read_unread(self.query.get("unread"))
        rows = selectors.list_in_app(user_id=self.me, unread=unread)
        pagination = KeysetPagination(
            sorts={"created_at": "created_at"}, default="-created_at", scope=f"notifications:{self.me}:{unread}"
        )
        page = pagination.page(rows, self.query)
        data = page.envelope(list(NotificationResponse(page.rows, many=True).data))
        data["unread_count"] = selectors.count_unread(user_id=self.me)
        return with_etag(request, data)

    @extend_schema(
        operation_id="mark_my_notification_read",
        summary="Mark a notification as read",
        description="The first time counts: `read_at` does not change when it is marked again.",
        request=None,
        responses={200: NotificationResponse},
        examples=[
            OpenApiExample("Read", response_only=True, value={**MESSAGE_EXAMPLE, "read_at": "2026-11-21T05:31:00Z"})
        ],
    )
    @idempotent(required=False)
    def read_one(self, request: Request, notification_id: str) -> Response:
        pk = public_pk(Notification, notification_id)
        notification = services.mark_read(user_id=self.me, notification_id=pk, now=clock.now())
        return Response(NotificationResponse(notification).data)

    @extend_schema(
        operation_id="mark_all_my_notifications_read",
        summary="Mark all my notifications as read",
        request=None,
        responses={200: MarkedResponse},
        examples=[
            OpenApiExample(
                "Marked", response_only=True, value={"object": "notification_marks", "marked": 3, "unread_count": 0}
            )
        ],
    )
    @idempotent(required=False)
    def read_all(self, request: Request) -> Response:
        marked = services.mark_all_read(user_id=self.me, now=clock.now())
        unread = selectors.count_unread(user_id=self.me)
        return Response(MarkedResponse({"object": "notification_marks", "marked": marked, "unread_count": unread}).data)
