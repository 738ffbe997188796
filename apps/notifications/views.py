"""The user's in-app messages, and views over events of every app: an order's timeline, evidence for a dispute."""

from io import BytesIO
from typing import Any
from uuid import UUID

from django.http import FileResponse
from django.http.response import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from apps.accounts import services as accounts
from apps.core import clock, ids
from apps.core.api import ApiView, KeysetPagination, get_actor, idempotent, with_etag
from apps.core.api.contacts import sees_contacts_masked
from apps.core.api.pagination import whole_list
from apps.core.api.pdf import PDF_RESPONSES
from apps.core.api.permissions import requires
from apps.core.api.schema import page_example, page_parameters
from apps.core.models import public_pk
from apps.invoicing.selectors import DocumentNotReady
from apps.notifications import filters, selectors, services
from apps.notifications.models import Notification
from apps.notifications.serializers import (
    EVIDENCE_EXAMPLE,
    EVIDENCE_PDF_EXAMPLE,
    MESSAGE_EXAMPLE,
    STATEMENT_EXAMPLE,
    TIMELINE_EXAMPLE,
    AddDisputeEvidenceRequest,
    EvidencePdfResponse,
    EvidenceResponse,
    MarkedResponse,
    NotificationPageResponse,
    NotificationResponse,
    StatementResponse,
    TimelineEntryResponse,
    TimelineResponse,
)
from apps.orders import selectors as orders
from apps.payments import services as payments


class MyNotificationsView(ApiView):
    """My in-app messages and their read marks."""

    shows_own_contacts = True
    params = {"list": (*KeysetPagination.PARAMS, "unread")}
    without_body = ("read_one", "read_all")

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
            *page_parameters("-created_at", "created_at"),
        ],
        responses={200: NotificationPageResponse},
        examples=[
            OpenApiExample(
                "A page",
                response_only=True,
                value={**whole_list([MESSAGE_EXAMPLE]), "unread_count": 1},
            )
        ],
    )
    def list(self, request: Request) -> Response:
        unread = filters.parse_unread(self.query.get("unread"))
        rows = selectors.list_in_app_messages(user_id=self.me, unread=unread)
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
            OpenApiExample("Read", response_only=True, value={**MESSAGE_EXAMPLE, "read_at": "2026-11-21T05:31:00.000Z"})
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
            "The events of the order and of its payments, refunds, documents and messages, oldest first, each with the money,"
            " the document or the message that it is about. Staff see more of it."
        ),
        parameters=[
            *page_parameters("at", "-at"),
        ],
        responses={200: TimelineResponse},
        examples=[page_example(*TIMELINE_EXAMPLE, name="Placed and paid")],
    )
    def list(self, request: Request, order_id: str) -> Response:
        order = orders.get_visible_order(user=request.user, order_id=ids.decode("ord", order_id))
        events = orders.list_timeline(user=request.user, order=order)
        pagination = KeysetPagination(
            sorts={"at": "created_at"}, default="at", scope=f"timeline:{request.user.pk}:{order.pk}"
        )
        page = pagination.page(events, self.query)
        entries = selectors.describe_timeline(page.rows, order=order)
        return with_etag(request, page.envelope([*TimelineEntryResponse(entries, many=True).data]))


class DisputeEvidenceView(ApiView):
    """The evidence for a dispute, for staff who answer disputes: it has log-ins and messages of the buyer's."""

    def get_permissions(self) -> list[Any]:
        return [*super().get_permissions(), requires("payments.change_dispute")()]

    @extend_schema(
        operation_id="get_dispute_evidence",
        summary="Read the evidence for a dispute",
        description="What the bank is shown with a contest: payment, buyer, delivery, documents, messages, and statements of staff.",
        responses={200: EvidenceResponse},
        examples=[OpenApiExample("A sale", response_only=True, value=EVIDENCE_EXAMPLE)],
    )
    def retrieve(self, request: Request, dispute_id: str) -> Response:
        evidence = selectors.get_evidence(ids.decode("disp", dispute_id))
        return with_etag(request, EvidenceResponse(evidence).data)

    @extend_schema(
        operation_id="add_dispute_evidence",
        summary="Add evidence to a dispute",
        description="A statement in our own words, such as how the parcel was handed over. It goes to the bank with a contest.",
        request=AddDisputeEvidenceRequest,
        responses={201: StatementResponse},
        examples=[
            OpenApiExample(
                "How it was delivered",
                request_only=True,
                value={name: STATEMENT_EXAMPLE[name] for name in ("kind", "text", "carrier", "tracking_number")},
            ),
            OpenApiExample("Added", response_only=True, status_codes=["201"], value=STATEMENT_EXAMPLE),
        ],
    )
    @idempotent(required=True)
    def create(self, request: Request, dispute_id: str) -> Response:
        statement = payments.add_dispute_evidence(
            dispute_id=ids.decode("disp", dispute_id),
            **self.read(AddDisputeEvidenceRequest, request),
            actor=get_actor(request),
            now=clock.now(),
        )
        return Response(StatementResponse(statement).data, status=201)


class DisputeEvidencePdfView(DisputeEvidenceView):
    """The same as a PDF, as the bank gets it."""

    without_body = ("prepare",)

    raises = {"download": (DocumentNotReady("the evidence for dispute disp_QxT7bZ1mN4kP2s", retry_after=2),)}

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        # A request with Accept: application/pdf gets the file; an error is still JSON.
        renderer = self.get_renderers()[0]
        return renderer, renderer.media_type

    @extend_schema(
        operation_id="get_dispute_evidence_pdf",
        summary="Download the evidence for a dispute",
        description=(
            "The PDF of the evidence as it stands now. A worker renders it when the dispute is reported or changes, when a statement is"
            " added, and when it is requested by POST. Without it 409 `document_not_ready` with Retry-After."
            " A download by staff who see contacts masked is recorded."
        ),
        responses=PDF_RESPONSES,
    )
    def download(self, request: Request, dispute_id: str) -> HttpResponseBase:
        dispute_pk = ids.decode("disp", dispute_id)
        name, content = services.get_evidence_pdf(dispute_id=dispute_pk, now=clock.now())
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

    @extend_schema(
        operation_id="request_dispute_evidence_pdf",
        summary="Request the evidence for a dispute as a PDF",
        description=(
            "A worker renders the PDF of the evidence as it stands now: 202, and GET of the Location gives it in a moment. 200 if there"
            " is one already. Requesting it again before a worker came changes nothing."
        ),
        request=None,
        responses={200: EvidencePdfResponse, 202: EvidencePdfResponse},
        examples=[
            OpenApiExample(
                name, response_only=True, status_codes=[code], value={**EVIDENCE_PDF_EXAMPLE, "status": status}
            )
            for name, code, status in (("There already", "200", "ready"), ("Requested", "202", "pending"))
        ],
    )
    @idempotent(required=False)
    def prepare(self, request: Request, dispute_id: str) -> Response:
        is_ready = services.request_evidence_pdf(
            dispute_id=ids.decode("disp", dispute_id), actor=get_actor(request), now=clock.now()
        )
        body = {
            "object": "dispute_evidence_pdf",
            "dispute_id": dispute_id,
            "status": "ready" if is_ready else "pending",
        }
        headers = {"Location": request.path} if is_ready else {"Location": request.path, "Retry-After": "2"}
        return Response(EvidencePdfResponse(body).data, status=200 if is_ready else 202, headers=headers)
