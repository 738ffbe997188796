from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # Both tables may be large: neither the indexes nor the check of what is there stop imports.
    atomic = False

    dependencies = [("payments", "0011_kinds_of_settlement_lines")]

    operations = [
        AddIndexConcurrently(
            "reconciliationexception", models.Index(fields=["entity_id"], name="exception_by_entity")
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS one_open_overdue_receivable", migrations.RunSQL.noop),
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY one_open_overdue_receivable"
                    " ON payments_reconciliationexception (gateway, attempt_id) NULLS NOT DISTINCT"
                    " WHERE reason = 'receivable_overdue' AND resolved_at IS NULL",
                    "DROP INDEX CONCURRENTLY IF EXISTS one_open_overdue_receivable",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    "reconciliationexception",
                    models.UniqueConstraint(
                        condition=models.Q(("reason", "receivable_overdue"), ("resolved_at__isnull", True)),
                        fields=("gateway", "attempt"),
                        name="one_open_overdue_receivable",
                        nulls_distinct=False,
                    ),
                ),
            ],
        ),
        ValidateConstraint("settlementline", name="line_is_booked_in_full"),
    ]
