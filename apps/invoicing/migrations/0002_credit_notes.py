from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # invoices are issued while the index is built

    dependencies = [
        ('invoicing', '0001_initial'),
    ]

    operations = [
        # An index is built for as long as it takes. One of a build that was ended is there and invalid: it is built again.
        migrations.RunSQL(sql="SET statement_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="SET lock_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS credit_note_by_time", reverse_sql=migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='invoice',
            index=models.Index(condition=models.Q(('type', 'credit_note')), fields=['-created_at', '-id'], name='credit_note_by_time'),
        ),
        migrations.RunSQL(sql="RESET statement_timeout", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="RESET lock_timeout", reverse_sql=migrations.RunSQL.noop),
    ]
