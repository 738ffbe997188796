import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The tables may be large: building the indexes does not stop the shop.
    atomic = False

    dependencies = [
        ('catalog', '0003_describe_prices_by_unit'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='variant',
            index=models.Index(django.contrib.postgres.indexes.OpClass(django.db.models.functions.text.Upper('sku'), 'text_pattern_ops'), name='variant_by_sku'),
        ),
    ]
