"""The packing slip: what is in a parcel, for those who pack it and those who open it."""

from apps.fulfilment.documents.packing_slip import packing_slip_data, render_packing_slip_pdf

__all__ = ["packing_slip_data", "render_packing_slip_pdf"]
