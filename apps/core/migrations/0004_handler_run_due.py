from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # orders are taken while the index is built

    dependencies = [
        ('core', '0003_audit_of_recent_changes'),
    ]

    operations = [
        # An index is built for as long as it takes. One of a build that was ended is there and invalid: it is built again.
        migrations.RunSQL(sql="SET statement_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="SET lock_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS handler_run_due", reverse_sql=migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='handlerrun',
            index=models.Index(condition=models.Q(('done_at__isnull', True), ('parked_at__isnull', True)), fields=['queue', 'send_after'], name='handler_run_due'),
        ),
        RemoveIndexConcurrently(
            model_name='handlerrun',
            name='handler_run_open',
        ),
        migrations.RunSQL(sql="RESET statement_timeout", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="RESET lock_timeout", reverse_sql=migrations.RunSQL.noop),
    ]
