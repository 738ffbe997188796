import django.db.models.lookups
from django.conf import settings
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [
        ('orders', '0007_order_addresses'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='order',
            index=models.Index(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        models.Func('confirmed_at', 'cancelled_at', 'expired_at', function='num_nonnulls', output_field=models.IntegerField()),
                        models.Value(0),
                    ),
                    ('paid_amount', 0),
                ),
                fields=['customer'],
                name='order_unpaid_by_customer',
            ),
        ),
    ]
