"""
Who may call what: every route and method of the API. A route that is not here fails the test, so none is open by accident.

PUBLIC: anybody. SIGNED: any signed-in user, about their own. OWNER: the owner of the object in the path (staff with `permission`
too); for others it does not exist. STAFF: those who hold `permission`. SIGNATURE: the gateway.
"""

from dataclasses import dataclass, field
from typing import Any

PUBLIC, SIGNED, OWNER, STAFF, SIGNATURE = "public", "signed", "owner", "staff", "signature"


@dataclass(frozen=True)
class Access:
    """One rule; `body` is a request that would be right, so that a refusal is about the person and not the form."""

    kind: str
    permission: str = ""
    body: dict[str, Any] = field(default_factory=dict)


_ORDER = {"lines": [{"variant_id": "<variant_id>", "quantity": 1}], "shipping_address_id": "<address_id>"}
_ADDRESS = {"name": "Asha", "line1": "12 MG Road", "city": "Bengaluru", "state": "29", "pin": "560001"}

ACCESS: dict[str, Access] = {
    # accounts
    "POST auth/otp": Access(PUBLIC),
    "POST auth/otp/verify": Access(PUBLIC),
    "GET auth/otp/<challenge_id>": Access(PUBLIC),
    "POST auth/login": Access(PUBLIC),
    "POST auth/refresh": Access(PUBLIC),
    "POST auth/logout": Access(PUBLIC),
    "GET auth/sessions": Access(SIGNED),
    "DELETE auth/sessions": Access(SIGNED),
    "DELETE auth/sessions/<session_id>": Access(OWNER),
    "GET me": Access(SIGNED),
    "PATCH me": Access(SIGNED, body={"name": "A"}),
    "POST me/email": Access(SIGNED, body={"email": "a@b.example"}),
    "POST me/email/confirm": Access(SIGNED),
    "POST me/password": Access(SIGNED),
    "POST me/password/confirm": Access(SIGNED),
    "GET me/addresses": Access(SIGNED),
    "POST me/addresses": Access(SIGNED, body=_ADDRESS),
    "GET me/addresses/<address_id>": Access(OWNER),
    "PATCH me/addresses/<address_id>": Access(OWNER, body={"city": "Mysuru"}),
    "DELETE me/addresses/<address_id>": Access(OWNER),
    "GET customers": Access(STAFF, "accounts.view_user"),
    "GET customers/<customer_id>": Access(STAFF, "accounts.view_user"),
    # tax
    "GET states": Access(PUBLIC),
    "GET gst/rates": Access(PUBLIC),
    "GET gst/gstin/<gstin>": Access(SIGNED),
    # catalogue
    "GET categories": Access(PUBLIC),
    "GET products": Access(PUBLIC),
    "GET products/<product_id>": Access(PUBLIC),
    "GET products/<product_id>/variants": Access(PUBLIC),
    "GET variants/<variant_id>": Access(PUBLIC),
    "POST products": Access(STAFF, "catalog.add_product"),
    "PATCH products/<product_id>": Access(STAFF, "catalog.change_product"),
    "POST products/<product_id>/variants": Access(STAFF, "catalog.add_variant"),
    "PATCH variants/<variant_id>": Access(STAFF, "catalog.change_variant"),
    "POST stock-adjustments": Access(STAFF, "catalog.add_stockmovement"),
    # orders
    "POST orders/quote": Access(SIGNED, body=_ORDER),
    "GET orders": Access(SIGNED, "orders.view_order"),
    "POST orders": Access(SIGNED, body=_ORDER),
    "GET orders/<order_id>": Access(OWNER, "orders.view_order"),
    "POST orders/<order_id>/cancel": Access(OWNER, "orders.change_order", body={"reason": "no"}),
    "GET orders/<order_id>/timeline": Access(OWNER, "orders.view_order"),
    "GET orders/<order_id>/ledger": Access(STAFF, "ledger.view_ledgerentry"),
    "GET dashboards/sales": Access(STAFF, "backoffice.view_dailysales"),
    "GET reports/daily-sales": Access(STAFF, "backoffice.view_dailysales"),
    "GET reports/best-sellers": Access(STAFF, "backoffice.view_dailysales"),
    "GET reports/top-customers": Access(STAFF, "backoffice.view_dailysales"),
    "POST orders/<order_id>/hold": Access(STAFF, "orders.change_order", body={"reason": "wait"}),
    "POST orders/<order_id>/release": Access(STAFF, "orders.change_order", body={"reason": "go on"}),
    # payments
    "GET payments": Access(SIGNED, "payments.view_payment"),
    "GET payments/downtimes": Access(SIGNED),
    "POST payments": Access(SIGNED, body={"order_id": "<order_id>"}),
    "GET payments/<payment_id>": Access(OWNER, "payments.view_payment"),
    "POST payments/<payment_id>/verify": Access(OWNER, body={"gateway_payment_id": "pay_1", "signature": "0" * 64}),
    "POST payments/<payment_id>/cancel": Access(OWNER, "payments.add_payment"),
    "POST payments/<payment_id>/sync": Access(OWNER, "payments.view_payment"),
    "GET payments/<payment_id>/qr.svg": Access(OWNER, "payments.view_payment"),
    "POST attempts/<attempt_id>/accept": Access(STAFF, "payments.change_refund", body={"reason": "offer"}),
    "GET payment-links": Access(SIGNED, "payments.view_payment"),
    "POST payment-links": Access(STAFF, "payments.add_payment", body={"order_id": "<order_id>"}),
    "GET qr-codes": Access(SIGNED, "payments.view_payment"),
    "POST qr-codes": Access(STAFF, "payments.add_payment", body={"order_id": "<order_id>"}),
    "GET settlements": Access(STAFF, "settlements.view_settlement"),
    "POST settlements/import": Access(STAFF, "settlements.add_settlementimport", body={"day": "2026-01-01"}),
    "GET settlements/<settlement_id>": Access(STAFF, "settlements.view_settlement"),
    "GET settlements/<settlement_id>/lines": Access(STAFF, "settlements.view_settlement"),
    "GET bank-statements": Access(STAFF, "settlements.view_bankstatementimport"),
    "GET bank-statements/<bank_statement_import_id>": Access(STAFF, "settlements.view_bankstatementimport"),
    "GET bank-statements/<bank_statement_import_id>/lines": Access(STAFF, "settlements.view_bankstatementimport"),
    "GET reconciliation/exceptions": Access(STAFF, "ledger.view_reconciliationexception"),
    "GET reconciliation/exceptions/<exception_id>": Access(STAFF, "ledger.view_reconciliationexception"),
    "POST reconciliation/exceptions/<exception_id>/assign": Access(STAFF, "ledger.change_reconciliationexception"),
    "POST reconciliation/exceptions/<exception_id>/resolve": Access(
        STAFF, "ledger.change_reconciliationexception", body={"resolution": "noted", "note": "seen"}
    ),
    "GET refunds": Access(SIGNED, "payments.view_refund"),
    "POST refunds": Access(SIGNED, body={"order_id": "<order_id>"}),
    "GET refunds/<refund_id>": Access(OWNER, "payments.view_refund"),
    "POST refunds/<refund_id>/approve": Access(STAFF, "payments.change_refund"),
    "POST refunds/<refund_id>/reject": Access(STAFF, "payments.change_refund"),
    "POST refunds/<refund_id>/retry": Access(STAFF, "payments.change_refund"),
    "POST refunds/<refund_id>/cancel": Access(OWNER, "payments.change_refund"),
    "POST refunds/<refund_id>/hold-for-transfer": Access(STAFF, "payments.change_refund"),
    "POST refunds/<refund_id>/confirm-transfer": Access(STAFF, "payments.change_refund"),
    "POST webhooks/razorpay": Access(SIGNATURE),
    "GET disputes": Access(STAFF, "payments.view_dispute"),
    "GET disputes/<dispute_id>": Access(STAFF, "payments.view_dispute"),
    "POST disputes/<dispute_id>/accept": Access(STAFF, "payments.change_dispute"),
    "POST disputes/<dispute_id>/contest": Access(
        STAFF, "payments.change_dispute", body={"summary": "It was delivered."}
    ),
    "GET disputes/<dispute_id>/evidence": Access(STAFF, "payments.change_dispute"),
    "GET disputes/<dispute_id>/evidence/pdf": Access(STAFF, "payments.change_dispute"),
    "POST disputes/<dispute_id>/evidence/pdf": Access(STAFF, "payments.change_dispute"),
    "POST disputes/<dispute_id>/evidence": Access(
        STAFF, "payments.change_dispute", body={"kind": "other", "text": "He came to the shop."}
    ),
    # fulfilment
    "GET shipments": Access(SIGNED, "fulfilment.view_shipment"),
    "POST shipments": Access(STAFF, "fulfilment.add_shipment", body={"order_id": "<order_id>"}),
    "GET shipments/<shipment_id>": Access(OWNER, "fulfilment.view_shipment"),
    "PATCH shipments/<shipment_id>": Access(STAFF, "fulfilment.change_shipment", body={"carrier_name": "India Post"}),
    "GET shipments/<shipment_id>/packing-slip": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/packing-slip": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/pack": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/dispatch": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/deliver": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/mark-lost": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/mark-damaged": Access(STAFF, "fulfilment.change_shipment"),
    "POST shipments/<shipment_id>/cancel": Access(STAFF, "fulfilment.change_shipment"),
    # invoicing
    "GET invoices": Access(SIGNED, "invoicing.view_invoice"),
    "GET invoices/<invoice_id>": Access(OWNER, "invoicing.view_invoice"),
    "GET invoices/<invoice_id>/pdf": Access(OWNER, "invoicing.view_invoice"),
    "GET credit-notes": Access(SIGNED, "invoicing.view_invoice"),
    "GET credit-notes/<credit_note_id>": Access(OWNER, "invoicing.view_invoice"),
    "GET credit-notes/<credit_note_id>/pdf": Access(OWNER, "invoicing.view_invoice"),
    # notifications
    "GET me/notifications": Access(SIGNED),
    "POST me/notifications/read": Access(SIGNED),
    "POST me/notifications/<notification_id>/read": Access(OWNER),
}
