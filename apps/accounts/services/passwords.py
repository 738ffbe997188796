"""What a password must be like."""

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError

from apps.accounts.models import User
from apps.core.errors import Invalid

#: Longer texts only cost the server time.
MAX_LENGTH = 128


class PasswordTooWeak(Invalid):
    """The password is too short, too common or too similar to the account. Choose another one."""

    message = "{0}"


def validate_strength(password: str, *, user: User) -> None:
    """
    Let a password through that the settings' validators accept for this person.

    :raises PasswordTooWeak: if they do not
    """
    if len(password) > MAX_LENGTH:
        raise PasswordTooWeak(f"A password has at most {MAX_LENGTH} characters.", param="password")
    try:
        password_validation.validate_password(password, user=user)
    except ValidationError as error:
        raise PasswordTooWeak(" ".join(error.messages), param="password") from error
