import django.db.models.lookups
from django.contrib.postgres.operations import AddIndexConcurrently, ValidateConstraint
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table is large: it is indexed and checked without a lock that stops the relay and the workers.
    atomic = False

    dependencies = [("core", "0002_delivery_resends")]

    operations = [
        ValidateConstraint("delivery", "delivery_is_sent_or_to_be_sent"),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        models.Func(
                            "done_at",
                            "parked_at",
                            "send_after",
                            function="num_nonnulls",
                            output_field=models.IntegerField(),
                        ),
                        models.Value(0),
                    )
                ),
                fields=["queue", "sent_at"],
                name="delivery_sent",
            ),
        ),
        AddIndexConcurrently(
            "delivery",
            models.Index(
                condition=models.Q(("started_at__isnull", False)),
                fields=["queue", "started_at"],
                name="delivery_by_start",
            ),
        ),
    ]
