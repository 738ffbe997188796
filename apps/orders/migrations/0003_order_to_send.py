from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0002_order_fulfilment_status'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='order',
            index=models.Index(condition=models.Q(('status__in', ('confirmed', 'on_hold', 'in_fulfilment'))), fields=['confirmed_at', 'id'], name='order_to_send'),
        ),
    ]
