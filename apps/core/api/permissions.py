"""Who may call a function. Which rows they then see is the selector's matter."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.models import is_staff_with


def requires(permission: str) -> type[BasePermission]:
    """Return a permission class that lets through active staff who hold a Django permission, such as `orders.view_order`."""

    class Requires(BasePermission):
        def has_permission(self, request: Request, view: Any) -> bool:
            user = request.user
            return bool(user and user.is_authenticated and is_staff_with(user, permission))

    Requires.__name__ = f"Requires_{permission.replace('.', '_')}"
    return Requires
