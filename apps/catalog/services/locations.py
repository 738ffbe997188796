"""The places where goods are kept."""

from datetime import datetime

from apps.catalog.models import MAIN_LOCATION_ID, Location


def set_up_reference_data(*, now: datetime) -> None:
    """Insert the location that every installation has, unless it is there; staff may have renamed it."""
    Location.objects.get_or_create(
        pk=MAIN_LOCATION_ID, defaults={"code": "main", "name": "Main location", "created_at": now}
    )
