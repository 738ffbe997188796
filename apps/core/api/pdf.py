"""Endpoints that return a PDF which a worker renders; until then they raise an error of status 409."""

from typing import Any, ClassVar

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

PDF_RESPONSES = {(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="The PDF.")}


class PdfMixin:
    """A viewset whose `pdf_actions` answer with a PDF: they accept any Accept header, and their errors are JSON."""

    pdf_actions: ClassVar[tuple[str, ...]] = ("pdf",)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        view: Any = self
        if view.action not in self.pdf_actions:
            negotiated: tuple[BaseRenderer, str] = super().perform_content_negotiation(request, force)  # type: ignore[misc]
            return negotiated
        renderer = view.get_renderers()[0]
        return renderer, renderer.media_type
