"""Everybody may look at the catalogue; each deed that changes it has its permission."""

from rest_framework.permissions import AllowAny, BasePermission

from apps.core.api.permissions import requires


class StaffWrites:
    """A mixin for views: actions named in `needs` ask for a Django permission, the others for nothing."""

    needs: dict[str, str] = {}

    def get_permissions(self) -> list[BasePermission]:
        needed = self.needs.get(getattr(self, "action", None) or "")
        return [requires(needed)() if needed else AllowAny()]
