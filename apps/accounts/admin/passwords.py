"""One's own password: a code first, then the new password. What Django has for it would take any number of guesses."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from apps.accounts import rules, selectors
from apps.accounts.models import Challenge, User
from apps.accounts.services import otp, profiles
from apps.accounts.services.otp import InvalidOtp
from apps.accounts.services.passwords import PasswordTooWeak
from apps.core import clock
from apps.core.admin_actions import staff_actor
from apps.core.admin_site import SitePage, add_site_page, site_context
from apps.core.api.requests import client_ip
from apps.core.errors import BahiError, NotFound
from apps.core.masking import mask
from apps.core.models import public_pk

#: The session key under which the requested code is kept.
_CHALLENGE = "password_challenge"


class NewPasswordForm(forms.Form):
    """The code that came, and the new password twice."""

    code = forms.RegexField(
        regex=rules.CODE_PATTERN,
        strip=True,
        error_messages={"invalid": "A code has six digits."},
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )
    password = forms.CharField(
        label="New password",
        strip=False,
        help_text="Use at least 10 characters, not only digits, and not a common password.",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )
    password_again = forms.CharField(
        label="New password again",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if "password" in data and "password_again" in data and data["password"] != data["password_again"]:
            self.add_error("password_again", "The two passwords differ.")
        return data


def change_password(request: HttpRequest) -> HttpResponse:
    """Show the page where staff change their own password, send the code, or take it with the new password."""
    if request.method == "POST" and "send" in request.POST:
        _send_code(request)
        return HttpResponseRedirect(request.path)
    challenge_id = _challenge_of(request)
    if request.method == "POST" and challenge_id is None:
        messages.error(request, "Send a code first.")
        return HttpResponseRedirect(request.path)

    form = NewPasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and _change(request, form, challenge_id):
        messages.success(request, "Your password has been changed. All your other sessions have ended.")
        return HttpResponseRedirect(reverse("admin:index"))
    context = {
        **site_context(request),
        "title": "Change your password",
        "form": form if challenge_id else None,
        "destination": mask(_destination_of(request)),
    }
    return TemplateResponse(request, "admin/change_password.html", context)


def _send_code(request: HttpRequest) -> None:
    user = _user_of(request)
    try:
        challenge = otp.request_password_code(
            user_id=user.pk, ip=client_ip(request), actor=staff_actor(request), now=clock.now()
        )
    except BahiError as error:
        messages.error(request, error.text)
        return
    request.session[_CHALLENGE] = challenge.public_id
    minutes = int(rules.CODE_TTL.total_seconds() // 60)
    messages.success(
        request, f"We are sending a code to {mask(challenge.destination)}. It is valid for {minutes} minutes."
    )


def _change(request: HttpRequest, form: NewPasswordForm, challenge_id: Any) -> bool:
    """Change the password and keep this browser signed in; return False with the error on the form if that is refused."""
    user = _user_of(request)
    try:
        changed = profiles.change_password(
            user_id=user.pk,
            challenge_id=challenge_id,
            code=form.cleaned_data["code"],
            password=form.cleaned_data["password"],
            actor=staff_actor(request),
            now=clock.now(),
        )
    except (InvalidOtp, PasswordTooWeak) as error:
        form.add_error(error.param or "code", error.text)
        return False
    # The change has ended this session with all others: the person who entered the code gets a new one.
    login(request, changed)
    return True


def _challenge_of(request: HttpRequest) -> Any:
    try:
        return public_pk(Challenge, str(request.session.get(_CHALLENGE, "")))
    except NotFound:
        return None


def _destination_of(request: HttpRequest) -> str:
    user = _user_of(request)
    return user.phone or user.email or ""


def _user_of(request: HttpRequest) -> User:
    user: Any = request.user
    return selectors.get_user(user.pk)


add_site_page(SitePage(path="password_change/", name="password_change", view=change_password))
