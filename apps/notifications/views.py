"""The user's in-app messages, and views over events of every app: an order's timeline, evidence for a dispute."""

from io import BytesIO
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import FileResponse
from django.http.response import HttpResponseBase
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.core import clock, ids
from apps.core.api import ApiViewSet, get_actor, idempotent
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pdf import PdfMixin
from apps.core.api.permissions import requires
from apps.core.models import public_pk
from apps.notifications import openapi
from apps.notifications.filters import NotificationFilterSet
from apps.notifications.models import Notification
from apps.notifications.pagination import NotificationPagination, TimelinePagination
from apps.notifications.selectors import dispute_evidence, messages
from apps.notifications.serializers import (
    AddDisputeEvidenceRequest,
    EvidencePdfResponse,
    EvidenceResponse,
    MarkedResponse,
    NotificationResponse,
    StatementResponse,
    TimelineEntryResponse,
)
from apps.notifications.services import inbox
from apps.notifications.services.dispute_evidence import get_evidence_pdf, request_evidence_pdf
from apps.orders import selectors as orders
from apps.payments import services as payments


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


@openapi.describe_timeline
class OrderTimelineViewSet(ApiViewSet):
    """What happened to an order: the customer's own; any for staff who may view orders."""

    serializer_class = TimelineEntryResponse
    pagination_class = TimelinePagination

    def list(self, request: Request, order_id: str) -> Response:
        order = orders.get_visible_order(user=request.user, order_id=ids.decode("ord", order_id))
        events = self.paginate_queryset(orders.list_timeline(user=request.user, order=order)) or []
        entries = messages.describe_timeline([*events], order=order)
        return self.get_paginated_response(self.get_serializer(entries, many=True).data)


@openapi.describe_evidence
class DisputeEvidenceViewSet(ApiViewSet):
    """The evidence for a dispute, for staff who answer disputes: it has log-ins and messages of the buyer's."""

    permission_classes = [requires("payments.change_dispute")]
    serializer_class = EvidenceResponse
    serializer_classes = {"create": StatementResponse}
    request_serializer_classes = {"create": AddDisputeEvidenceRequest}

    def retrieve(self, request: Request, dispute_id: str) -> Response:
        evidence = dispute_evidence.get_evidence(ids.decode("disp", dispute_id))
        return self.answer(self.get_serializer(evidence).data)

    @idempotent(required=True)
    def create(self, request: Request, dispute_id: str) -> Response:
        statement = payments.add_dispute_evidence(
            dispute_id=ids.decode("disp", dispute_id),
            **self.read_body(),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(self.get_serializer(statement).data, status=201)


@openapi.describe_evidence_pdf
class DisputeEvidencePdfViewSet(PdfMixin, ApiViewSet):
    """The same as a PDF, as the bank gets it."""

    permission_classes = [requires("payments.change_dispute")]
    serializer_class = EvidencePdfResponse
    pdf_actions = ("retrieve", "create")

    def retrieve(self, request: Request, dispute_id: str) -> HttpResponseBase:
        dispute_pk = ids.decode("disp", dispute_id)
        name, content = get_evidence_pdf(dispute_id=dispute_pk, now=clock.now())
        user: Any = request.user
        if sees_contacts_masked(user):
            # Phone and e-mail address of the buyer are masked there, but not what staff have typed into statements.
            accounts.record_contact_details_view(
                user_id=user.pk,
                page=request.path,
                public_ids=[ids.encode("disp", dispute_pk)],
                actor=get_actor(request),
                now=clock.now(),
            )
        return FileResponse(
            BytesIO(content),
            as_attachment=True,
            filename=name,
            content_type="application/pdf",
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
        )

    @idempotent(required=False)
    def create(self, request: Request, dispute_id: str) -> Response:
        is_ready = request_evidence_pdf(
            dispute_id=ids.decode("disp", dispute_id), actor=get_actor(request), now=clock.now()
        )
        body = {
            "object": "dispute_evidence_pdf",
            "dispute_id": dispute_id,
            "status": "ready" if is_ready else "pending",
        }
        headers = {"Location": request.path} if is_ready else {"Location": request.path, "Retry-After": "2"}
        return Response(self.get_serializer(body).data, status=200 if is_ready else 202, headers=headers)
