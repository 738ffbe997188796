from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # Both tables may be large: the indexes are built without a lock that stops payments.
    atomic = False

    dependencies = [("payments", "0007_payment_by_link")]

    operations = [
        AddIndexConcurrently(
            "paymentattempt",
            models.Index(
                condition=models.Q(("review_closed_at__isnull", True), ("review_opened_at__isnull", False)),
                fields=["review_opened_at"],
                name="attempt_to_review",
            ),
        ),
        AddIndexConcurrently(
            "refund",
            models.Index(
                condition=models.Q(("status__in", ("failed", "manual"))),
                fields=["created_at"],
                name="refund_that_failed",
            ),
        ),
    ]
