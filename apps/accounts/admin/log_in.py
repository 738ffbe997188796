"""The log-in page of the back office: it says when too much was tried, and knows a device again."""

from http import HTTPStatus
from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from unfold.forms import AuthenticationForm

from apps.core.admin_site import SitePage, add_site_page


class LogInForm(AuthenticationForm):  # type: ignore[misc]
    """E-mail address and password of staff."""

    def get_invalid_login_error(self) -> ValidationError:
        """Return why the log-in failed: wrong, or too many attempts."""
        refusal = getattr(self.request, "rate_limit_error", None)
        if refusal is None:
            error: ValidationError = super().get_invalid_login_error()
            return error
        return ValidationError(refusal.text, code="too_many_attempts")


def log_in(request: HttpRequest) -> HttpResponse:
    """Show the log-in page, or let a member of staff in and know their device from then on."""
    # REST framework, which that module needs, asks for its classes while it is being loaded.
    from apps.accounts.authentication import remember_device  # noqa: PLC0415 - see above

    response: HttpResponse = admin.site.login(request)
    user: Any = request.user
    is_let_in = request.method == "POST" and response.status_code == HTTPStatus.FOUND and user.is_authenticated
    if is_let_in:
        remember_device(response, request=request, user=user)
    return response


admin.site.login_form = LogInForm
add_site_page(SitePage(path="login/", name="login", view=log_in, is_public=True))
