"""Who may call a function. Which rows they then see is the selector's matter."""

from typing import Any

from django.apps import apps
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from apps.core.models import is_staff_with


def requires(permission: str) -> type[BasePermission]:
    """Return a permission class that lets through active staff who hold a Django permission, such as `orders.view_order`."""

    class Requires(BasePermission):
        message = _sentence(permission)

        def has_permission(self, request: Request, view: Any) -> bool:
            user = request.user
            return bool(user and user.is_authenticated and is_staff_with(user, permission))

    Requires.__name__ = f"Requires_{permission.replace('.', '_')}"
    return Requires


def _sentence(permission: str) -> str:
    """Return what a person without a permission reads. It names what they may not do and no object."""
    app, _, codename = permission.partition(".")
    verb, _, name = codename.partition("_")
    named = (model._meta for model in apps.get_models() if model._meta.label_lower == f"{app}.{name}")
    things = next((str(meta.verbose_name_plural) for meta in named), name.replace("_", " "))
    return (
        f"Only staff who may {verb} {things} can do this. Log in with such an account, or ask an administrator for a role that has"
        f" the permission {permission}."
    )
