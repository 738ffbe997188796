"""The packing slip of a parcel in the back office: its download, and the action that has one rendered."""

from datetime import datetime
from io import BytesIO
from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from apps.accounts import services as accounts
from apps.core import clock
from apps.core.admin_actions import ObjectAction, add_object_action, staff_actor
from apps.core.admin_contacts import can_read_contacts
from apps.core.errors import BahiError
from apps.core.events import Actor
from apps.fulfilment.models import Shipment
from apps.fulfilment.services import packing_slips

#: The slip has the buyer's address and phone number.
PERMISSION = "fulfilment.change_shipment"


def download(request: HttpRequest, shipment: Shipment | None) -> HttpResponseBase:
    """Send the packing slip to staff, whose view of the buyer's contacts is recorded, or lead back with why there is none yet."""
    if shipment is None or not request.user.has_perm(PERMISSION):
        raise Http404
    try:
        name, content = packing_slips.get_packing_slip(shipment_id=shipment.pk, now=clock.now())
    except BahiError:
        messages.warning(request, f"The packing slip of {shipment.number} is not ready. Try again in a moment.")
        return HttpResponseRedirect(reverse("admin:fulfilment_shipment_change", args=[shipment.pk]))
    if not can_read_contacts(request):
        user: Any = request.user
        accounts.record_contact_details_view(
            user_id=user.pk,
            page=request.path,
            public_ids=[shipment.public_id],
            actor=staff_actor(request),
            now=clock.now(),
        )
    return FileResponse(
        BytesIO(content),
        as_attachment=True,
        filename=name,
        content_type="application/pdf",
        headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "private, no-store"},
    )


def is_rendered(shipment: Shipment) -> bool:
    """Test if there is a packing slip of a shipment as it stands now."""
    try:
        packing_slips.get_packing_slip(shipment_id=shipment.pk, now=clock.now())
    except BahiError:
        return False
    return True


def _request(shipment: Shipment, *, user: Any, actor: Actor, now: datetime) -> str:
    packing_slips.request_packing_slip(shipment_id=shipment.pk, actor=actor, now=now)
    return f"The packing slip of {shipment.number} is being prepared. Reload this page in a moment."


add_object_action(
    "fulfilment.shipment",
    ObjectAction(
        name="prepare-slip",
        title="Prepare the packing slip",
        permission=PERMISSION,
        perform=_request,
        icon="print",
        forecast=lambda shipment: [("Packing slip", "It is rendered again, and can be downloaded in a moment.")],
        is_available=lambda shipment: not is_rendered(shipment),
    ),
)
