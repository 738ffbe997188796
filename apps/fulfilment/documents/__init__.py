"""The packing slip: what lies in a parcel, for who packs it and who opens it."""

from apps.fulfilment.documents.packing_slip import packing_slip_data, render_packing_slip_pdf

__all__ = ["packing_slip_data", "render_packing_slip_pdf"]
