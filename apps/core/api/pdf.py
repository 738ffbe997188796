"""The answers of every endpoint that returns a PDF which a worker renders."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiResponse

PDF_RESPONSES = {
    (200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="The PDF."),
    409: OpenApiResponse(
        OpenApiTypes.OBJECT, description="The PDF is being prepared; repeat the request after Retry-After."
    ),
}


def pdf_not_ready_example(document: str) -> OpenApiExample:
    """Return the example of a 409 `document_not_ready` about a document, which is named as in a sentence."""
    return OpenApiExample(
        "Not ready",
        response_only=True,
        status_codes=["409"],
        value={
            "error": {
                "type": "conflict",
                "code": "document_not_ready",
                "message": f"The PDF of {document} is being prepared. Try again in a moment.",
                "request_id": "req_06dzxr5m7k3vh9q0t2w4y6b8ca",
            }
        },
    )
