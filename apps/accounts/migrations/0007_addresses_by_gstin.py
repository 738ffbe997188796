from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The table may be large: building the index does not stop the shop.
    atomic = False

    dependencies = [
        ('accounts', '0006_indexes_of_the_search'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='address',
            index=models.Index(condition=models.Q(('gstin', ''), _negated=True), fields=['gstin'], name='address_by_gstin'),
        ),
    ]
