"""`docs/routes.md`, written from the routes and from who may call them."""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.architecture.access import ACCESS, OWNER, PUBLIC, SIGNATURE, SIGNED, Access


class Route(NamedTuple):
    """One method of one path of the API, and the function of a view that answers it."""

    method: str
    path: str
    app: str
    view: str

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


def list_routes() -> list[Route]:
    """Return every route under /api/v1, by app and path."""
    from django.urls import get_resolver

    return sorted(set(_walk(get_resolver().url_patterns)), key=lambda route: (route.app, route.path, route.method))


def _walk(patterns: list[Any], prefix: str = "") -> Iterator[Route]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if hasattr(pattern, "url_patterns"):
            yield from _walk(pattern.url_patterns, path)
        elif path.startswith("api/v1/"):
            view = pattern.callback.cls
            # HEAD is added by the framework once a path has been asked for.
            actions = {**getattr(pattern.callback, "actions", {"get": "get"})}
            actions.pop("head", None)
            for method, function in actions.items():
                name = re.sub(r"<\w+:(\w+)>", r"<\1>", path.removeprefix("api/v1/"))
                yield Route(method.upper(), name, view.__module__.split(".")[1], f"{view.__name__}.{function}")


def render_routes() -> str:
    """Return the page of all routes."""
    lines = [
        "# Routes",
        "",
        "Every route of the API under `/api/v1`, the function that answers it and who may call it. Written by `make maps`; do",
        "not edit. An owner reads and changes what is theirs; for everybody else it does not exist.",
    ]
    app = ""
    for route in list_routes():
        if route.app != app:
            app = route.app
            lines += ["", f"## {app}", "", "| Method | Path | View | Who |", "|---|---|---|---|"]
        path = route.path.replace("<", "{").replace(">", "}")
        lines.append(f"| {route.method} | `/{path}` | `{route.view}` | {_who(ACCESS[route.key])} |")
    return "\n".join(lines) + "\n"


def _who(access: Access) -> str:
    staff = f"staff with `{access.permission}`" if access.permission else ""
    if access.kind == OWNER:
        return f"the owner; {staff}" if staff else "the owner"
    return {PUBLIC: "everybody", SIGNED: "any signed-in user", SIGNATURE: "the gateway, by its signature"}.get(
        access.kind, staff
    )
