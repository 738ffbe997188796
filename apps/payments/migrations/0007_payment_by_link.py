from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table of payments may be large: the indexes are built without a lock that stops the collecting.
    atomic = False

    dependencies = [("payments", "0006_payment_links")]

    operations = [
        AddIndexConcurrently(
            "payment",
            models.Index(
                condition=models.Q(("channel__in", ("payment_link", "qr_code"))),
                fields=["channel", "-created_at", "-id"],
                name="payment_by_link",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(
                    "CREATE UNIQUE INDEX CONCURRENTLY one_payment_per_gateway_link ON payments_payment (gateway_link_id)"
                    " WHERE gateway_link_id IS NOT NULL",
                    "DROP INDEX CONCURRENTLY one_payment_per_gateway_link",
                )
            ],
            state_operations=[
                migrations.AddConstraint(
                    "payment",
                    models.UniqueConstraint(
                        condition=models.Q(("gateway_link_id__isnull", False)),
                        fields=("gateway_link_id",),
                        name="one_payment_per_gateway_link",
                    ),
                )
            ],
        ),
    ]
