"""Who can log in to the demonstration shop. The demo data makes these people; `make run` prints them."""

from __future__ import annotations

from dataclasses import dataclass

STAFF_PASSWORD = "bahi-demo-1234"  # noqa: S105 - of a shop that exists on this machine only


@dataclass(frozen=True)
class StaffAccount:
    """A member of staff, who logs in to the admin with an e-mail address."""

    role: str
    email: str
    password: str = STAFF_PASSWORD


STAFF = (
    StaffAccount("admin", "admin@bahi.example"),
    StaffAccount("support", "support@bahi.example"),
    StaffAccount("finance", "finance@bahi.example"),
    StaffAccount("catalogue manager", "catalogue@bahi.example"),
)
BUYER_PHONE = "+919876543210"
