"""The attempts of a message before it was last sent again, so that the count of all of them only rises."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="notification",
            name="earlier_attempts",
            field=models.PositiveSmallIntegerField(
                db_default=0, default=0, help_text="The attempts before staff last had it sent again."
            ),
        ),
    ]
