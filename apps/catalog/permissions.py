"""Everybody may look at the catalogue; each action that changes it has its permission."""

from rest_framework.permissions import AllowAny, BasePermission

from apps.core.api.permissions import requires


class ActionPermissions:
    """A mixin for views: actions named in `action_permissions` ask for a Django permission, the others for nothing."""

    action_permissions: dict[str, str] = {}

    def get_permissions(self) -> list[BasePermission]:
        permission = self.action_permissions.get(getattr(self, "action", None) or "")
        return [requires(permission)() if permission else AllowAny()]
