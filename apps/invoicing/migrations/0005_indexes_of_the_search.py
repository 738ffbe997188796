from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The tables may be large: building the indexes does not stop the shop.
    atomic = False

    dependencies = [
        ('invoicing', '0004_documents_by_what_is_sold'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='invoice',
            index=models.Index(fields=['number'], name='invoice_by_number', opclasses=['varchar_pattern_ops']),
        ),
    ]
