"""How the REST API reads and answers requests, and how its description is made."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["apps.accounts.authentication.AccessTokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["apps.core.api.parser.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["apps.core.api.renderer.ApiRenderer"],
    "DEFAULT_SCHEMA_CLASS": "apps.core.api.schema.ApiSchema",
    "DEFAULT_PAGINATION_CLASS": "apps.core.api.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": ["apps.core.api.filters.FilterBackend"],
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is refused but for preflights: the schema describes the API
    "EXCEPTION_HANDLER": "apps.core.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "DATETIME_FORMAT": None,  # the renderer writes instants, in milliseconds, wherever they come from
    "URL_FORMAT_OVERRIDE": None,
    "COERCE_DECIMAL_TO_STRING": False,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bahi API",
    "VERSION": "1.0.0",
    "DESCRIPTION": "Order to cash for Indian businesses: accounts, catalogue, orders, payments, GST invoices, notifications."
    " Handle errors by their `code`, which does not change; docs/api/errors.md in the source lists all codes with what to do.",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "COMPONENT_SPLIT_PATCH": False,  # a body of PATCH has a shape of its own, which says what must be there
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "displayRequestDuration": True,
        "filter": True,
        "validatorUrl": None,  # it would send the address of the schema to somebody else's server
        "docExpansion": "list",
    },
    "REDOC_DIST": "SIDECAR",
    "SORT_OPERATIONS": False,
    "ENUM_NAME_OVERRIDES": {
        "OrderStatusEnum": "apps.orders.states.OrderStatus",
        "OrderPaymentStatusEnum": "apps.orders.states.OrderPaymentStatus",
        "OrderFulfilmentStatusEnum": "apps.orders.states.FulfilmentStatus",
        "PaymentStatusEnum": "apps.payments.states.PaymentStatus",
        "PaymentChannelEnum": "apps.payments.states.PaymentChannel",
        "NotificationChannelEnum": "apps.notifications.states.Channel",
        "EvidenceKindEnum": "apps.payments.states.EvidenceKind",
        "AttemptStatusEnum": "apps.payments.states.AttemptStatus",
        "ShipmentStatusEnum": "apps.fulfilment.states.ShipmentStatus",
        "InvoiceStatusEnum": "apps.invoicing.states.InvoiceStatus",
        "RefundSpeedEnum": "apps.payments.states.RefundSpeed",
        "DifferenceReasonEnum": "apps.payments.states.DifferenceReason",
        "SendStatusEnum": "apps.accounts.states.SendStatus",
        "ImportStatusEnum": "apps.settlements.states.ImportStatus",
        "DocumentStatusEnum": ("pending", "ready"),
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "apps.core.api.error_responses.add_components",
    ],
}
