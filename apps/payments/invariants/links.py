"""Invariants of payment links and QR codes."""

from apps.core.audit import Invariant, Reads

LINKS = (
    Invariant(
        id="INV-15b",
        name="gateway_ids_fit_the_channel",
        statement="Only a payment by link or QR code has a gateway's link, a QR code never an order; the buyer is shown its own.",
        sql="""
            SELECT id, channel, gateway_order_id, gateway_link_id, next_action ->> 'type' AS next_action FROM payments_payment
            WHERE (channel = 'checkout' AND (gateway_link_id IS NOT NULL OR link_closed_at IS NOT NULL))
               OR (channel = 'qr_code' AND gateway_order_id IS NOT NULL)
               OR (channel <> 'checkout' AND next_action <> '{}'::jsonb AND next_action ->> 'type' IS DISTINCT FROM channel)
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18k",
        name="payers_are_sent_to_open_links",
        statement="A payment that awaits its payer has an open link or QR code, an hour after that was closed at the latest.",
        grace_seconds=3_600,
        sql="""
            SELECT id, channel, gateway_link_id, link_closed_at FROM payments_payment
            WHERE status = 'requires_payment' AND link_closed_at < %(now)s - interval '1 hour'
        """,
        reads=Reads.ONE_ORDER,
    ),
    Invariant(
        id="INV-18g",
        name="cancelled_links_are_closed",
        statement="Nobody can pay by the link or QR code of a payment that was cancelled: it is closed at the gateway.",
        grace_seconds=900,
        sql="""
            SELECT id, channel, gateway_link_id, status, next_check_at FROM payments_payment
            WHERE channel <> 'checkout' AND status IN ('cancelled', 'expired')
              AND gateway_link_id IS NOT NULL AND link_closed_at IS NULL
              AND (next_check_at IS NULL OR updated_at < %(now)s - interval '15 minutes')
        """,
        reads=Reads.ONE_ORDER,
    ),
)
