import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table may be large: building the index does not stop the shop.
    atomic = False

    dependencies = [
        ('catalog', '0004_indexes_of_the_search'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='variant',
            index=django.contrib.postgres.indexes.GinIndex(
                models.Func(
                    django.db.models.functions.text.Upper('sku'),
                    models.Value('-'),
                    function='string_to_array',
                    output_field=django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None),
                ),
                name='variant_by_sku_parts',
            ),
        ),
    ]
