from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table of documents may be large: the index is built without a lock that stops the issuing.
    atomic = False

    dependencies = [("invoicing", "0002_credit_notes")]

    operations = [
        AddIndexConcurrently(
            "invoice",
            models.Index(
                condition=models.Q(("refers_to__isnull", False)), fields=["refers_to"], name="note_by_invoice"
            ),
        ),
    ]
