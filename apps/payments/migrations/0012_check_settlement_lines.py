from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Both tables may be large: neither the index nor the check of what is there stops imports.
    atomic = False

    dependencies = [("payments", "0011_kinds_of_settlement_lines")]

    operations = [
        AddIndexConcurrently(
            "reconciliationexception", models.Index(fields=["entity_id"], name="exception_by_entity")
        ),
        ValidateConstraint("settlementline", name="line_is_booked_in_full"),
    ]
