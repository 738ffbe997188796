import django.db.models.deletion
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

_CONDITION = models.Q(("retry_of__isnull", False), models.Q(("status__in", ("cancelled", "processed")), _negated=True))


class Migration(migrations.Migration):
    # The table may be large: building the indexes does not stop refunds.
    atomic = False

    dependencies = [("payments", "0016_lines_by_kind")]

    operations = [
        AddIndexConcurrently(
            "refund",
            models.Index(condition=models.Q(("retry_of__isnull", False)), fields=["retry_of"], name="refund_by_retried"),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS one_open_retry_per_refund", migrations.RunSQL.noop),
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY one_open_retry_per_refund ON payments_refund (retry_of_id)"
                    " WHERE retry_of_id IS NOT NULL AND NOT (status IN ('cancelled', 'processed'))",
                    "DROP INDEX CONCURRENTLY IF EXISTS one_open_retry_per_refund",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    "refund",
                    models.UniqueConstraint(
                        condition=_CONDITION, fields=("retry_of",), name="one_open_retry_per_refund"
                    ),
                ),
            ],
        ),
        migrations.AlterField(
            "refund",
            "retry_of",
            models.ForeignKey(
                blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT,
                related_name="retries", to="payments.refund",
            ),
        ),
    ]
