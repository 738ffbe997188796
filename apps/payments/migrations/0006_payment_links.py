import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("payments", "0005_dispute_evidence")]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name='payment',
            name='terms_are_frozen',
        ),
        migrations.AddField(
            model_name='payment',
            name='channel',
            field=models.CharField(choices=[('checkout', 'Checkout'), ('payment_link', 'Payment link'), ('qr_code', 'QR code')], db_default='checkout', default='checkout', max_length=20),
        ),
        migrations.AddField(
            model_name='payment',
            name='gateway_link_id',
            field=models.CharField(blank=True, max_length=40, null=True),
        ),
        migrations.AddField(
            model_name='payment',
            name='link_closed_at',
            field=models.DateTimeField(blank=True, help_text='When the gateway said that nobody can pay by the link or QR code any more.', null=True),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='payment',
            trigger=pgtrigger.compiler.Trigger(name='terms_are_frozen', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD."order_id" IS DISTINCT FROM (NEW."order_id") OR OLD."customer_id" IS DISTINCT FROM (NEW."customer_id") OR OLD."sequence" IS DISTINCT FROM (NEW."sequence") OR OLD."amount" IS DISTINCT FROM (NEW."amount") OR OLD."currency" IS DISTINCT FROM (NEW."currency") OR OLD."gateway" IS DISTINCT FROM (NEW."gateway") OR OLD."channel" IS DISTINCT FROM (NEW."channel"))', func="RAISE EXCEPTION 'pgtrigger: Cannot update rows from % table', TG_TABLE_NAME;", hash='849c97761d33aba7eb07cf4410c936e6a3ea6864', operation='UPDATE', pgid='pgtrigger_terms_are_frozen_708bc', table='payments_payment', when='BEFORE')),
        ),
    ]
