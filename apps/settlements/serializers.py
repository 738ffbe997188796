"""Request and response schemas of settlements, their lines and imports."""

from datetime import date

from rest_framework import serializers

from apps.core.api import IdField, RequestSerializer, ResponseSerializer
from apps.core.dates import YEARS
from apps.settlements.states import BankLineKind, ImportStatus, LineKind, ReportSource, TransferStatus


def _check_year(day: date) -> None:
    if day.year not in YEARS:
        raise serializers.ValidationError(f"The day must be between {YEARS[0]} and {YEARS[-1]}.")


class ImportSettlementsRequest(RequestSerializer):
    """The day (in India) whose report to import."""

    day = serializers.DateField(help_text="As 2026-04-30.", validators=[_check_year])


class SettlementImportResponse(ResponseSerializer):
    """An import of a settlement report."""

    id = IdField("simp")
    object = serializers.CharField(default="settlement_import")
    gateway = serializers.CharField()
    source = serializers.ChoiceField(choices=ReportSource.choices)  # type: ignore[assignment]
    day = serializers.DateField(allow_null=True)
    status = serializers.ChoiceField(choices=ImportStatus.choices)
    rows_read = serializers.IntegerField()
    lines_added = serializers.IntegerField()
    exceptions_opened = serializers.IntegerField()
    error = serializers.CharField()
    completed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


class SettlementResponse(ResponseSerializer):
    """One transfer of the gateway to our bank. Amounts in paise."""

    id = IdField("stl")
    object = serializers.CharField(default="settlement")
    gateway = serializers.CharField()
    gateway_settlement_id = serializers.CharField()
    utr = serializers.CharField(help_text="The bank's reference.")
    status = serializers.CharField(help_text="The gateway's description.")
    amount = serializers.IntegerField(
        allow_null=True, help_text="The amount that was transferred; null until the gateway has reported it."
    )
    currency = serializers.CharField()
    lines_amount = serializers.IntegerField(help_text="The sum of its lines.")
    fee_amount = serializers.IntegerField(help_text="With its GST.")
    tax_amount = serializers.IntegerField(help_text="The GST in the fee.")
    line_count = serializers.IntegerField()
    settled_at = serializers.DateTimeField()
    transfer_status = serializers.ChoiceField(
        choices=TransferStatus.choices, help_text="In transit until the bank's statement shows it."
    )
    failed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


class SettlementLineResponse(ResponseSerializer):
    """One line of a settlement as the gateway reported it, and how it was booked. Amounts in paise."""

    id = IdField("stln")
    object = serializers.CharField(default="settlement_line")
    kind = serializers.ChoiceField(choices=LineKind.choices)
    reported_kind = serializers.CharField(help_text="The gateway's description.")
    entity_id = serializers.CharField(help_text="The gateway's id of the payment, refund or adjustment.")
    amount = serializers.IntegerField()
    debit = serializers.IntegerField()
    credit = serializers.IntegerField()
    fee_amount = serializers.IntegerField(source="reported_fee_amount")
    tax_amount = serializers.IntegerField(source="reported_tax_amount")
    credit_type = serializers.CharField(
        help_text="What the fee was paid from: default, or prepaid credits (fee, amount)."
    )
    fee_credit_amount = serializers.IntegerField(help_text="Of the fee, what prepaid credits paid.")
    transfer_amount = serializers.IntegerField(help_text="To a linked account of Route; negative if it was reversed.")
    currency = serializers.CharField()
    attempt_id = IdField(
        "att", allow_null=True, help_text="The payment that it settles, or that an adjustment corrects."
    )
    refund_id = IdField("rfnd", allow_null=True)
    dispute_id = serializers.CharField()
    description = serializers.CharField()
    problem = serializers.CharField(help_text="The reason of its exception; empty if there is none.")
    held_amount = serializers.IntegerField(help_text="In suspense; debit positive.")
    created_at = serializers.DateTimeField()


class BankStatementResponse(ResponseSerializer):
    """An import of a file with statements of one bank account. Amounts in paise."""

    id = IdField("bsi")
    object = serializers.CharField(default="bank_statement")
    account = serializers.CharField(help_text="The number of the account, as far as it is known.")
    layout = serializers.CharField(help_text="What the file was recognised as; empty until it is imported.")
    file_name = serializers.CharField()
    status = serializers.ChoiceField(choices=ImportStatus.choices)
    first_on = serializers.DateField(allow_null=True, help_text="The day of its first line.")
    last_on = serializers.DateField(allow_null=True, help_text="The day of its last line.")
    closing_balance = serializers.IntegerField(allow_null=True)
    rows_read = serializers.IntegerField()
    lines_added = serializers.IntegerField(help_text="Lines that no earlier file had.")
    exceptions_opened = serializers.IntegerField()
    error = serializers.CharField()
    completed_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()


class BankLineResponse(ResponseSerializer):
    """One line of a bank's statement as the bank wrote it, and how it is booked. Amounts in paise, credits positive."""

    id = IdField("bln")
    object = serializers.CharField(default="bank_line")
    account = serializers.CharField()
    booked_on = serializers.DateField()
    amount = serializers.IntegerField()
    currency = serializers.CharField()
    reference = serializers.CharField()
    description = serializers.CharField()
    balance = serializers.IntegerField(allow_null=True, help_text="After the line, as the bank wrote it.")
    kind = serializers.ChoiceField(choices=BankLineKind.choices)
    tax_amount = serializers.IntegerField(help_text="The GST in a charge.")
    settlement_id = IdField("stl", allow_null=True, help_text="The settlement that it brought.")
    refund_id = IdField("rfnd", allow_null=True, help_text="The refund by bank transfer that it shows.")
    exception_id = IdField("rex", allow_null=True, help_text="The exception that holds or held it in suspense.")
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    version = serializers.IntegerField()
    metadata = serializers.DictField()
