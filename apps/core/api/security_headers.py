"""What a browser may do with a response: as little as the page needs, and nothing for what is no page."""

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

from apps.core.fixed_paths import path_of


def _policy(**directives: str) -> str:
    return "; ".join(f"{name.replace('_', '-')} {sources}" for name, sources in directives.items())


#: No script in a page's text runs. Alpine, which Unfold's pages are made with, evaluates the texts of its attributes: hence
#: 'unsafe-eval'. Styles stand in attributes, which neither a nonce nor a hash can allow.
_ADMIN: Final = _policy(
    default_src="'self'",
    script_src="'self' 'unsafe-eval'",
    style_src="'self' 'unsafe-inline'",
    img_src="'self' data:",
    object_src="'none'",
    base_uri="'none'",
    form_action="'self'",
    frame_ancestors="'none'",
)
_DOCS: Final = _policy(
    default_src="'none'",
    script_src="'self'",
    style_src="'self' 'unsafe-inline'",
    img_src="'self' data:",
    connect_src="'self'",
    base_uri="'none'",
    form_action="'none'",
    frame_ancestors="'none'",
)
#: JSON, documents and files: if one is ever taken for a page, nothing in it loads, runs or is sent.
_REST: Final = _policy(default_src="'none'", base_uri="'none'", form_action="'none'", frame_ancestors="'none'")
_UNUSED_FEATURES: Final = (
    "accelerometer", "autoplay", "camera", "display-capture", "encrypted-media", "fullscreen", "geolocation", "gyroscope",
    "magnetometer", "microphone", "midi", "payment", "picture-in-picture", "publickey-credentials-get",
    "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
)  # fmt: skip
PERMISSIONS_POLICY: Final = ", ".join(f"{feature}=()" for feature in _UNUSED_FEATURES)


class SecurityHeadersMiddleware:
    """Set in every response what a browser may load and run for it, and that no page uses a device's features."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", policy_of(request.path))
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        return response


def policy_of(path: str) -> str:
    """Return the Content-Security-Policy of what is at a path."""
    if path.startswith(path_of("admin:index")):
        return _ADMIN
    return _DOCS if path == path_of("api-docs") else _REST
