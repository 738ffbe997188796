from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):

    atomic = False  # orders are taken while the indexes are built

    dependencies = [
        ('catalog', '0003_product_counts'),
    ]

    operations = [
        # An index is built for as long as it takes. One of a build that was ended is there and invalid: it is built again.
        migrations.RunSQL(sql="SET statement_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="SET lock_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS product_listed_by_time", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS product_listed_by_price", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS product_listed_by_name", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="DROP INDEX CONCURRENTLY IF EXISTS product_in_stock_by_time", reverse_sql=migrations.RunSQL.noop),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('active_variant_count__gt', 0), ('is_published', True)), fields=['-created_at', '-id'], name='product_listed_by_time'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('active_variant_count__gt', 0), ('is_published', True)), fields=['lowest_price', 'id'], name='product_listed_by_price'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('active_variant_count__gt', 0), ('is_published', True)), fields=['name', 'id'], name='product_listed_by_name'),
        ),
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('active_variant_count__gt', 0), ('is_published', True), ('levels_in_stock_count__gt', 0)), fields=['-created_at', '-id'], name='product_in_stock_by_time'),
        ),
        RemoveIndexConcurrently(
            model_name='product',
            name='product_by_time',
        ),
        RemoveIndexConcurrently(
            model_name='product',
            name='product_by_price',
        ),
        RemoveIndexConcurrently(
            model_name='product',
            name='product_by_name',
        ),
        migrations.RunSQL(sql="RESET statement_timeout", reverse_sql=migrations.RunSQL.noop),
        migrations.RunSQL(sql="RESET lock_timeout", reverse_sql=migrations.RunSQL.noop),
    ]
