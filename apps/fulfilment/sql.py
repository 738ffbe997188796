"""SQL that the ORM cannot express."""

from apps.core.prepared import fetch_all


def next_shipment_sequence() -> int:
    """Return the next number of the shipment sequence: never used twice, and skipped if the transaction fails."""
    [row] = fetch_all("SELECT nextval('fulfilment_number_seq') AS value")
    return int(row["value"])
