from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from apps.invoicing.models import Invoice, InvoiceFile, InvoiceLine
from tests.factories.invoicing import make_invoice, make_rendered_invoice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books")]

MAY_CHANGE = {"status", "version", "updated_at", "metadata"}


def refused(write: Any) -> bool:
    try:
        with transaction.atomic():
            write()
    except ProgrammingError:
        return True
    return False


class TestAnIssuedInvoice:
    def test_every_field_but_its_state_is_frozen(self) -> None:
        invoice = make_invoice()
        for field in Invoice._meta.concrete_fields:
            if field.attname in MAY_CHANGE:
                continue
            with (
                pytest.raises(ProgrammingError, match="Cannot update"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                changed = {
                    "DateTimeField": f"{field.column} + interval '1 second'",
                    "DateField": f"{field.column} + 1",
                    "JSONField": """'{"state": "29"}'::jsonb""",
                    "BooleanField": f"NOT {field.column}",
                    "UUIDField": "gen_random_uuid()",
                    "ForeignKey": "gen_random_uuid()" if field.column != "series_id" else "series_id + 1",
                    "CharField": f"left('Z' || {field.column}, 2)",
                }.get(field.get_internal_type(), f"{field.column} + 1")
                cursor.execute(f"UPDATE invoicing_invoice SET {field.column} = {changed} WHERE id = %s", [invoice.pk])

    def test_state_can_change(self) -> None:
        invoice = make_invoice()
        Invoice.objects.filter(pk=invoice.pk).update(status="cancelled", metadata={"reason": "wrong buyer"})
        assert Invoice.objects.get(pk=invoice.pk).status == "cancelled"

    def test_cannot_be_deleted(self) -> None:
        invoice = make_invoice()
        assert refused(lambda: Invoice.objects.filter(pk=invoice.pk)._raw_delete("default"))  # type: ignore[attr-defined]
        assert Invoice.objects.filter(pk=invoice.pk).exists()

    def test_lines_are_frozen(self) -> None:
        lines = InvoiceLine.objects.filter(invoice=make_invoice())
        assert refused(lambda: lines.update(name="Another name"))
        assert refused(lambda: lines.update(quantity_milli=3_000))
        assert refused(lambda: lines._raw_delete("default"))  # type: ignore[attr-defined]
        assert lines.get().name == "Handloom cotton kurta"

    def test_file_is_frozen(self) -> None:
        files = InvoiceFile.objects.filter(invoice=make_rendered_invoice())
        assert refused(lambda: files.update(sha256="0" * 64))
        assert refused(lambda: files._raw_delete("default"))  # type: ignore[attr-defined]


def copy_of(invoice: Invoice, **changed: Any) -> Invoice:
    values = {
        field.attname: getattr(invoice, field.attname) for field in Invoice._meta.concrete_fields if field.name != "id"
    }
    return Invoice(**{**values, "version": 0, **changed})


class TestConstraints:
    @pytest.mark.parametrize(
        ("changed", "constraint"),
        [
            ({"sequence": 2, "number": "INV260000002"}, "one_document_per_order_and_type"),
            ({"type": "debit_note", "number": "INV260000002"}, "one_document_per_series_and_sequence"),
            ({"type": "debit_note", "sequence": 2}, "one_document_per_number_and_year"),
            ({"type": "debit_note", "sequence": 2, "number": "inv-1"}, "invoice_number_format"),
            ({"type": "debit_note", "sequence": 2, "number": "0NV1"}, "invoice_number_format"),
            ({"type": "debit_note", "sequence": 2, "number": "CN1", "total_amount": 1}, "invoice_total_adds_up"),
            ({"type": "credit_note", "sequence": 2, "number": "CN1"}, "credit_note_refers_to_its_invoice"),
        ],
    )
    def test_a_second_document_in_its_place(self, changed: dict[str, Any], constraint: str) -> None:
        invoice = make_invoice()
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            copy_of(invoice, **changed).save(force_insert=True)
        assert Invoice.objects.count() == 1
