"""Who may call a function. Which rows they then see is the selector's matter."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


def requires(permission: str) -> type[BasePermission]:
    """Return a permission class that lets through active staff who hold a Django permission, such as `orders.view_order`."""

    class Requires(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            user = request.user
            return bool(user and user.is_authenticated and user.is_staff and user.has_perm(permission))

    Requires.__name__ = f"Requires_{permission.replace('.', '_')}"
    return Requires


def is_staff_with(user: Any, permission: str) -> bool:
    """Test if a user is active staff and holds a Django permission."""
    return bool(user.is_active and user.is_staff and user.has_perm(permission))
