"""How the description of the API presents GST: summaries, errors and examples."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema_view

from apps.core.api.schema import operation, page_example
from apps.tax import rules
from apps.tax.serializers import gstin_check_data, state_data

GSTIN_CHECK_EXAMPLE = gstin_check_data(rules.check_gstin("27AAPFU0939F1ZV"))
TAX_RATE_EXAMPLE: dict[str, Any] = {
    "id": "rate_01jf3z8k4qe7tv2w9x0y1z2a3b",
    "object": "tax_rate",
    "tax_class": "gst_18",
    "description": rules.TAX_CLASSES["gst_18"],
    "rate": 1800,
    "taxability": "taxable",
    "valid_from": "2025-09-22",
    "valid_to": None,
    "notification": "9/2025-Central Tax (Rate)",
    "created_at": "2026-11-21T05:30:00.000Z",
    "updated_at": "2026-11-21T05:30:00.000Z",
}
STATE_EXAMPLE = state_data(rules.STATES["31"])

describe_gstin_checks = extend_schema_view(
    retrieve=operation(
        "check_gstin",
        "Check a GSTIN",
        description="Form, state and check character. It does not check with the GST network whether the number is registered.",
        parameters=[OpenApiParameter("gstin", {"type": "string", "minLength": 1}, OpenApiParameter.PATH)],
        examples=[OpenApiExample("A normal registration", value=GSTIN_CHECK_EXAMPLE, response_only=True)],
    ),
)

describe_states = extend_schema_view(
    list=operation(
        "list_states",
        "List states",
        description="Every state and union territory that an address can lie in, with its GST code and the beginnings of its PIN codes.",
        examples=[page_example(STATE_EXAMPLE, name="The states")],
    ),
)

describe_tax_rates = extend_schema_view(
    list=operation(
        "list_tax_rates",
        "List GST rates",
        description="The rate of every tax class on one day of the Indian calendar; today if none is given.",
        examples=[page_example(TAX_RATE_EXAMPLE, name="The rates of a day")],
    ),
)
