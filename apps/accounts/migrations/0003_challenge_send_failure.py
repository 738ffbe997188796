from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("accounts", "0002_city_of_100_characters")]

    operations = [
        migrations.AddField(
            model_name="challenge",
            name="send_failure",
            field=models.CharField(
                blank=True,
                choices=[
                    ("rejected", "The provider rejected it"),
                    ("provider_unavailable", "The provider could not take it"),
                ],
                db_default="",
                default="",
                max_length=24,
            ),
        ),
    ]
