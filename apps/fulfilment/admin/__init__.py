"""Admin pages of shipments: what is to be packed and sent, each parcel, and the actions of both. Actions call services."""

from apps.fulfilment.admin import packing, shipment_actions, shipments

__all__ = ["packing", "shipment_actions", "shipments"]
