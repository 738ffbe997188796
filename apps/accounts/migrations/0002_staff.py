from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # people log in while the index is built

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        # An index is built for as long as it takes. One of a build that was ended is there and invalid: it is built again.
        migrations.RunSQL(sql="SET statement_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="SET lock_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS user_staff", reverse_sql=migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='user',
            index=models.Index(condition=models.Q(('is_staff', True)), fields=['id'], name='user_staff'),
        ),
        migrations.RunSQL(sql="RESET statement_timeout", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="RESET lock_timeout", reverse_sql=migrations.RunSQL.noop),
    ]
