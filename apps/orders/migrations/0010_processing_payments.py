from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0009_indexes_of_the_search'),
    ]

    operations = [
        migrations.AddField(
            model_name='order',
            name='is_payment_processing',
            field=models.BooleanField(db_default=False, default=False, help_text='An attempt to pay is pending, authorised or under review.'),
        ),
    ]
