from django.db import migrations


class Migration(migrations.Migration):
    """The sequence behind order numbers; gaps are allowed, unlike in invoice numbers."""

    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL("CREATE SEQUENCE orders_number_seq", "DROP SEQUENCE orders_number_seq"),
    ]
