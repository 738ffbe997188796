"""Admin pages of shipments: what is to be packed and sent, each parcel, and the actions of both. Actions call services."""

from apps.fulfilment.admin import packing, packing_slips, shipment_actions, shipments

__all__ = ["packing", "packing_slips", "shipment_actions", "shipments"]
