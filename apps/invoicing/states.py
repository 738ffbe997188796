"""The states and types of a GST document."""

from django.db import models


class InvoiceStatus(models.TextChoices):
    ISSUED = "issued", "Issued"
    CANCELLED = "cancelled", "Cancelled"


class DocumentType(models.TextChoices):
    TAX_INVOICE = "tax_invoice", "Tax invoice"
    BILL_OF_SUPPLY = "bill_of_supply", "Bill of supply"
    INVOICE_CUM_BILL_OF_SUPPLY = "invoice_cum_bill_of_supply", "Invoice-cum-bill of supply"
    EXPORT_INVOICE = "export_invoice", "Export invoice"
    CREDIT_NOTE = "credit_note", "Credit note"
    DEBIT_NOTE = "debit_note", "Debit note"
    RECEIPT_VOUCHER = "receipt_voucher", "Receipt voucher"
    REFUND_VOUCHER = "refund_voucher", "Refund voucher"
