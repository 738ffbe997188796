"""The in-app messages of whoever asks; and what happened to an order, which takes news of every app."""

from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core import clock, ids
from apps.core.api import ApiView, KeysetPagination, idempotent, with_etag
from apps.core.models import public_pk
from apps.notifications import filters, selectors, services
from apps.notifications.models import Notification
from apps.notifications.serializers import (
    MESSAGE_EXAMPLE,
    TIMELINE_EXAMPLE,
    MarkedResponse,
    NotificationPageResponse,
    NotificationResponse,
    TimelineEntryResponse,
    TimelineResponse,
)
from apps.orders import selectors as orders


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


class OrderTimelineView(ApiView):
    """What happened to an order: the customer's own; any for staff who may view orders."""

    params = {"list": KeysetPagination.PARAMS}

    @extend_schema(
        operation_id="get_order_timeline",
        summary="Read what happened to an order",
        description=(
            "The order's own news and that of its payments, refunds, documents and messages, oldest first, each with the money,"
            " the document or the message that it is about. Staff see more of it."
        ),
        parameters=[
            OpenApiParameter("limit", OpenApiTypes.INT, description="1 to 100; 20 if not given."),
            OpenApiParameter("cursor", OpenApiTypes.STR, description="`next_cursor` or `prev_cursor` of another page."),
            OpenApiParameter("sort", OpenApiTypes.STR, enum=["at", "-at"]),
        ],
        responses={200: TimelineResponse},
        examples=[
            OpenApiExample(
                "Placed and paid",
                response_only=True,
                value={
                    "object": "list",
                    "data": TIMELINE_EXAMPLE,
                    "has_more": False,
                    "next_cursor": None,
                    "prev_cursor": None,
                },
            )
        ],
    )
    def list(self, request: Request, order_id: str) -> Response:
        order = orders.get_visible_order(user=request.user, order_id=ids.decode("ord", order_id))
        news = orders.list_timeline(user=request.user, order=order)
        pagination = KeysetPagination(
            sorts={"at": "created_at"}, default="at", scope=f"timeline:{request.user.pk}:{order.pk}"
        )
        page = pagination.page(news, self.query)
        entries = selectors.describe_timeline(page.rows, order=order)
        return with_etag(request, page.envelope([*TimelineEntryResponse(entries, many=True).data]))
