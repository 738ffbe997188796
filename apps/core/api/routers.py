"""The router of every app: paths end without a slash, and what stands in them is any text, which views decode as a public id."""

from typing import Any

from rest_framework.routers import SimpleRouter

_LIST: Any = SimpleRouter.routes[0]


class ApiRouter(SimpleRouter):
    """DRF's simple router for `/sessions` and `/sessions/<str:session_id>`; DELETE of a whole list is `destroy_all`."""

    routes = [_LIST._replace(mapping={**_LIST.mapping, "delete": "destroy_all"}), *SimpleRouter.routes[1:]]

    def __init__(self) -> None:
        super().__init__(trailing_slash=False, use_regex_path=False)
