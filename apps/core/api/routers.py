"""The router of every app: paths end without a slash, and what stands in them is any text, which views decode as a public id."""

from rest_framework.routers import SimpleRouter


class ApiRouter(SimpleRouter):
    """DRF's simple router for `/orders` and `/orders/<str:order_id>`."""

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)
