import django.db.models.functions.comparison
import django.db.models.functions.text
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The tables may be large: building the indexes does not stop the shop.
    atomic = False

    dependencies = [
        ('orders', '0008_unpaid_orders_by_customer'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(django.db.models.functions.comparison.Collate(django.db.models.functions.text.Reverse('number'), 'C'), name='order_by_last_digits'),
        ),
    ]
