"""People for tests."""

import itertools
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import Group

from apps.accounts.models import Address, Challenge, Session, User
from apps.accounts.states import Transport
from apps.core import clock
from apps.tax.rules import pin_prefixes

_numbers = itertools.count(1)


def make_user(*, phone: str | None = None, name: str = "", email: str | None = None, **fields: Any) -> User:
    """Return a customer."""
    user = User(phone=phone or f"+9170{next(_numbers):08d}", name=name, email=email, **fields)
    user.set_unusable_password()
    user.save()
    return user


def make_staff(role: str, *, password: str = "correct horse battery", **fields: Any) -> User:
    """Return a member of staff with one role."""
    email, name = f"{role}-{next(_numbers)}@shop.example", role.replace("_", " ").title()
    user = User(**{"email": email, "name": name, "is_staff": True, **fields})
    user.set_password(password)
    user.save()
    user.groups.add(Group.objects.get(name=role))
    return user


def make_session(user: User) -> Session:
    """Return a live session of a user."""
    return Session.objects.create(user=user, transport=Transport.BODY, last_used_at=clock.now())


def make_challenge(destination: str) -> Challenge:
    """Return a request for a log-in code that waits for its sender."""
    return Challenge.objects.create(
        purpose="log_in",
        channel="email" if "@" in destination else "sms",
        destination=destination,
        expires_at=clock.now() + timedelta(minutes=5),
    )


def make_access_token(user: User, session: Session | None = None) -> str:
    """Return an access token as log-in would issue it."""
    # Not above: REST framework, which that module needs, asks for its classes while it is being loaded.
    from apps.accounts.authentication import sign_access_token

    return sign_access_token(user=user, session=session or make_session(user))


def pin_of_state(state: str) -> str:
    """Return a PIN code of a state: Bengaluru's in Karnataka."""
    return "560001" if state == "29" else f"{pin_prefixes(state)[0]}001"


def make_address(user: User, *, state: str = "29", **fields: Any) -> Address:
    """Return an address; by default in Karnataka."""
    values: dict[str, Any] = {
        "name": "Asha Owner", "phone": "+919876543210", "line1": "12 MG Road", "city": "Bengaluru", "pin": pin_of_state(state),
    }  # fmt: skip
    return Address.objects.create(user=user, state=state, **{**values, **fields})
