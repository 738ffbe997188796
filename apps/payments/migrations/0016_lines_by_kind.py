import pgtrigger
from django.db import migrations, models

#: Lines of before the gateway's word was kept have none; a line is known by it now.
_FILL = "UPDATE payments_settlementline SET reported_kind = kind WHERE reported_kind = '' AND kind <> 'other'"

_FIELDS = ("settlement", "entity_id", "kind", "reported_kind", "occurrence")
_COLUMNS = "settlement_id, entity_id, kind, reported_kind, occurrence"


def fill_reported_kinds(apps, schema_editor):
    with pgtrigger.ignore():
        schema_editor.execute(_FILL)


class Migration(migrations.Migration):
    # The table may be large: building the index does not stop imports.
    atomic = False

    dependencies = [("payments", "0015_refund_line_amounts")]

    operations = [
        migrations.RunPython(fill_reported_kinds, migrations.RunPython.noop, atomic=True),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL("DROP INDEX CONCURRENTLY IF EXISTS one_line_per_kind_and_occurrence", migrations.RunSQL.noop),
                migrations.RunSQL(
                    f"CREATE UNIQUE INDEX CONCURRENTLY one_line_per_kind_and_occurrence ON payments_settlementline ({_COLUMNS})",
                    migrations.RunSQL.noop,
                ),
                migrations.RunSQL(
                    "ALTER TABLE payments_settlementline ADD CONSTRAINT one_line_per_kind_and_occurrence"
                    " UNIQUE USING INDEX one_line_per_kind_and_occurrence",
                    "ALTER TABLE payments_settlementline DROP CONSTRAINT one_line_per_kind_and_occurrence",
                ),
            ],
            state_operations=[
                migrations.AddConstraint(
                    "settlementline", models.UniqueConstraint(fields=_FIELDS, name="one_line_per_kind_and_occurrence")
                ),
            ],
        ),
        migrations.RemoveConstraint("settlementline", "one_line_per_occurrence"),
    ]
