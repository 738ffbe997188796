import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The tables may be large: building the indexes does not stop the shop.
    atomic = False

    dependencies = [
        ('accounts', '0005_erased_users'),
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='address',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', 'company', config='simple'), name='address_by_words'),
        ),
        AddIndexConcurrently(
            model_name='address',
            index=models.Index(fields=['phone'], name='address_by_phone'),
        ),
        AddIndexConcurrently(
            model_name='user',
            index=django.contrib.postgres.indexes.GinIndex(django.contrib.postgres.search.SearchVector('name', config='simple'), name='user_by_words'),
        ),
    ]
