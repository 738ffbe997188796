from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="resends",
            field=models.PositiveSmallIntegerField(db_default=0, default=0),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="send_after",
            field=models.DateTimeField(null=True),
        ),
        AddConstraintNotValid(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("sent_at__isnull", False), ("send_after__isnull", False), _connector="OR"),
                name="delivery_is_sent_or_to_be_sent",
            ),
        ),
    ]
