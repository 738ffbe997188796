import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_reservation_consumed_milli'),
    ]

    operations = [
        migrations.CreateModel(
            name='CatalogVersion',
            fields=[
                ('id', models.PositiveSmallIntegerField(default=1, primary_key=True, serialize=False)),
                ('number', models.BigIntegerField(help_text='The time of the last change in microseconds since 1970, or a little more.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='one_catalog_version')],
            },
        ),
        migrations.AddField(
            model_name='product',
            name='active_variant_count',
            field=models.IntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AddField(
            model_name='product',
            name='levels_in_stock_count',
            field=models.IntegerField(db_default=0, default=0, editable=False, help_text='How many stock levels of its active variants have units that are not reserved.'),
        ),
        migrations.RunSQL(sql="SET LOCAL statement_timeout = 0", reverse_sql=migrations.RunSQL.noop),
        # No order and no receipt of goods changes what is counted until the triggers count it.
        migrations.RunSQL(
            sql="LOCK TABLE catalog_stocklevel, catalog_variant IN SHARE ROW EXCLUSIVE MODE",
            reverse_sql=migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            sql="""
                UPDATE catalog_product AS product
                SET active_variant_count = counted.variants, levels_in_stock_count = counted.levels
                FROM (
                    SELECT variant.product_id, count(DISTINCT variant.id) AS variants,
                           count(*) FILTER (WHERE level.on_hand_milli > level.reserved_milli) AS levels
                    FROM catalog_variant AS variant LEFT JOIN catalog_stocklevel AS level ON level.variant_id = variant.id
                    WHERE variant.is_active GROUP BY variant.product_id
                ) AS counted
                WHERE product.id = counted.product_id
            """,
            reverse_sql=migrations.RunSQL.noop,
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='category',
            trigger=pgtrigger.compiler.Trigger(name='raise_catalog_version', sql=pgtrigger.compiler.UpsertTriggerSql(constraint='CONSTRAINT', func="\n        IF coalesce(current_setting('bahi.catalog_version_is_raised', true), '') = '' THEN\n            PERFORM set_config('bahi.catalog_version_is_raised', 'true', true);\n            INSERT INTO catalog_catalogversion AS present (id, number)\n            VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)\n            ON CONFLICT (id) DO UPDATE SET number = greatest(present.number + 1, excluded.number);\n        END IF;\n        RETURN NULL;\n    ", hash='b4d240f59f11c2331b44157bd783500066f87353', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_raise_catalog_version_65982', table='catalog_category', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='product',
            trigger=pgtrigger.compiler.Trigger(name='raise_catalog_version', sql=pgtrigger.compiler.UpsertTriggerSql(constraint='CONSTRAINT', func="\n        IF coalesce(current_setting('bahi.catalog_version_is_raised', true), '') = '' THEN\n            PERFORM set_config('bahi.catalog_version_is_raised', 'true', true);\n            INSERT INTO catalog_catalogversion AS present (id, number)\n            VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)\n            ON CONFLICT (id) DO UPDATE SET number = greatest(present.number + 1, excluded.number);\n        END IF;\n        RETURN NULL;\n    ", hash='1cb357015b721e3ce4e84ccbd64cd80aa0b8426e', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_raise_catalog_version_5141b', table='catalog_product', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='stocklevel',
            trigger=pgtrigger.compiler.Trigger(name='count_new_level', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW.on_hand_milli > NEW.reserved_milli)', func='\n        UPDATE catalog_product SET levels_in_stock_count = levels_in_stock_count + 1\n        WHERE id = (SELECT product_id FROM catalog_variant WHERE id = NEW.variant_id AND is_active);\n        RETURN NULL;\n    ', hash='34a8bf322570d55b9645ab52508ce477451d4aa6', operation='INSERT', pgid='pgtrigger_count_new_level_8846b', table='catalog_stocklevel', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='stocklevel',
            trigger=pgtrigger.compiler.Trigger(name='count_changed_levels', sql=pgtrigger.compiler.UpsertTriggerSql(func='\n        WITH sold_out_or_filled AS (\n            SELECT variant.product_id, sum(CASE WHEN after.on_hand_milli > after.reserved_milli THEN 1 ELSE -1 END) AS change\n            FROM after\n            JOIN before USING (variant_id, location_id)\n            JOIN catalog_variant AS variant ON variant.id = after.variant_id AND variant.is_active\n            WHERE (before.on_hand_milli > before.reserved_milli) <> (after.on_hand_milli > after.reserved_milli)\n            GROUP BY variant.product_id\n        ), locked AS MATERIALIZED (\n            SELECT product.id FROM catalog_product AS product\n            WHERE product.id IN (SELECT product_id FROM sold_out_or_filled) ORDER BY product.id FOR NO KEY UPDATE\n        )\n        UPDATE catalog_product AS product SET levels_in_stock_count = product.levels_in_stock_count + counted.change\n        FROM sold_out_or_filled AS counted, locked\n        WHERE product.id = counted.product_id AND locked.id = product.id;\n        RETURN NULL;\n    ', hash='e35cee28eceece725f6b7109f019315a1f5c0dd7', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_count_changed_levels_55ee5', referencing='REFERENCING OLD TABLE AS before  NEW TABLE AS after ', table='catalog_stocklevel', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='variant',
            trigger=pgtrigger.compiler.Trigger(name='count_new_variant', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (NEW."is_active")', func='UPDATE catalog_product SET active_variant_count = active_variant_count + 1 WHERE id = NEW.product_id; RETURN NULL;', hash='9859d6d3f92592ae2d855dc9b9e0c4fd28d3cf90', operation='INSERT', pgid='pgtrigger_count_new_variant_9d87a', table='catalog_variant', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='variant',
            trigger=pgtrigger.compiler.Trigger(name='count_changed_variant', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."is_active" IS DISTINCT FROM (NEW."is_active"))', declare='DECLARE change int := CASE WHEN NEW.is_active THEN 1 ELSE -1 END;', func='\n        UPDATE catalog_product\n        SET active_variant_count = active_variant_count + change,\n            levels_in_stock_count = levels_in_stock_count + change * (\n                SELECT count(*) FROM catalog_stocklevel WHERE variant_id = NEW.id AND on_hand_milli > reserved_milli)\n        WHERE id = NEW.product_id;\n        RETURN NULL;\n    ', hash='e746f5c494b298f9997d8276c89d06edaa9ac508', operation='UPDATE OF "is_active"', pgid='pgtrigger_count_changed_variant_7078f', table='catalog_variant', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='variant',
            trigger=pgtrigger.compiler.Trigger(name='raise_catalog_version', sql=pgtrigger.compiler.UpsertTriggerSql(constraint='CONSTRAINT', func="\n        IF coalesce(current_setting('bahi.catalog_version_is_raised', true), '') = '' THEN\n            PERFORM set_config('bahi.catalog_version_is_raised', 'true', true);\n            INSERT INTO catalog_catalogversion AS present (id, number)\n            VALUES (1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)\n            ON CONFLICT (id) DO UPDATE SET number = greatest(present.number + 1, excluded.number);\n        END IF;\n        RETURN NULL;\n    ", hash='0312ef6298aa8454480adc4445ae74495e9cd79a', operation='INSERT OR UPDATE OR DELETE', pgid='pgtrigger_raise_catalog_version_a9db3', table='catalog_variant', timing='DEFERRABLE INITIALLY DEFERRED', when='AFTER')),
        ),
    ]
