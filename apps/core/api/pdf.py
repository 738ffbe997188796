"""The answers of every endpoint that returns a PDF which a worker renders; until then it raises an error of status 409."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse

PDF_RESPONSES = {(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, description="The PDF.")}
