import django.db.models.expressions
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
import pgtrigger

#: Adjustments of payments and disputes that we hold were booked without saying of which payment.
_ATTRIBUTE = """
    UPDATE payments_settlementline l SET attempt_id = coalesce(a.id, d.attempt_id)
    FROM payments_settlementline o
    LEFT JOIN payments_paymentattempt a ON a.gateway_payment_id = o.gateway_payment_id AND a.status = 'captured'
    LEFT JOIN payments_dispute d ON o.dispute_id <> '' AND d.gateway_dispute_id = o.dispute_id
    WHERE o.id = l.id AND l.kind = 'adjustment' AND l.cleared_amount <> 0 AND l.attempt_id IS NULL
      AND (a.id IS NOT NULL OR d.id IS NOT NULL)
"""


def attribute_adjustments(apps, schema_editor):
    with pgtrigger.ignore():
        schema_editor.execute(_ATTRIBUTE)


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0010_transferred_by'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='settlementline',
            name='line_is_booked_whole',
        ),
        migrations.AddField(
            model_name='settlementline',
            name='credit_type',
            field=models.CharField(blank=True, default='', db_default='', help_text='What the fee was paid from: default, fee (credits), amount (credits).', max_length=20),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='fee_credit_amount',
            field=models.BigIntegerField(default=0, db_default=0, help_text='Of the fee, what prepaid credits paid; credit positive.'),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='reported_kind',
            field=models.CharField(blank=True, default='', db_default='', help_text="In the gateway's words.", max_length=40),
        ),
        migrations.AddField(
            model_name='settlementline',
            name='transfer_amount',
            field=models.BigIntegerField(default=0, db_default=0, help_text='To a linked account of Route; debit positive.'),
        ),
        migrations.AddField(
            model_name='settlementreportrow',
            name='credit_type',
            field=models.CharField(default='', db_default='', max_length=20),
        ),
        migrations.AddField(
            model_name='settlementreportrow',
            name='reported_kind',
            field=models.CharField(default='', db_default='', max_length=40),
        ),
        migrations.AlterField(
            model_name='reconciliationexception',
            name='reason',
            field=models.CharField(choices=[('unknown_payment', 'We know no such payment or refund'), ('wrong_amount', 'The amount is not ours'), ('fee_mismatch', 'The fee or its GST is not what we were told'), ('credit_mismatch', 'The line does not add up'), ('duplicated_line', 'It was settled already'), ('missing_line', 'It should have been settled'), ('sum_mismatch', 'The transfer is not the sum of its lines'), ('refund_exceeds_payment', 'The refund is more than is left of the payment'), ('dispute_exceeds_payment', 'The dispute is about more than is left of the payment'), ('currency_mismatch', "The currency is missing or is not the payment's"), ('account_mismatch', 'It is about another account at the gateway'), ('contradictory_facts', 'The gateway contradicts itself or what it said before'), ('unreadable_facts', 'The amount, the state or another field cannot be read'), ('webhook_failed', 'The webhook could not be processed'), ('unknown_adjustment', 'An adjustment about no payment or dispute of ours'), ('unknown_kind', 'A line of a kind that Bahi does not know'), ('receivable_overdue', 'The gateway has owed this for too long')], max_length=40),
        ),
        migrations.AlterField(
            model_name='settlementline',
            name='kind',
            field=models.CharField(choices=[('payment', 'Payment'), ('refund', 'Refund'), ('adjustment', 'Adjustment'), ('transfer', 'Transfer to a linked account'), ('reversal', 'Reversal of a transfer'), ('other', 'Of a kind that Bahi does not know')], max_length=12),
        ),
        migrations.AlterField(
            model_name='settlementline',
            name='problem',
            field=models.CharField(blank=True, choices=[('unknown_payment', 'We know no such payment or refund'), ('wrong_amount', 'The amount is not ours'), ('fee_mismatch', 'The fee or its GST is not what we were told'), ('credit_mismatch', 'The line does not add up'), ('duplicated_line', 'It was settled already'), ('missing_line', 'It should have been settled'), ('sum_mismatch', 'The transfer is not the sum of its lines'), ('refund_exceeds_payment', 'The refund is more than is left of the payment'), ('dispute_exceeds_payment', 'The dispute is about more than is left of the payment'), ('currency_mismatch', "The currency is missing or is not the payment's"), ('account_mismatch', 'It is about another account at the gateway'), ('contradictory_facts', 'The gateway contradicts itself or what it said before'), ('unreadable_facts', 'The amount, the state or another field cannot be read'), ('webhook_failed', 'The webhook could not be processed'), ('unknown_adjustment', 'An adjustment about no payment or dispute of ours'), ('unknown_kind', 'A line of a kind that Bahi does not know'), ('receivable_overdue', 'The gateway has owed this for too long')], max_length=40),
        ),
        migrations.RunPython(attribute_adjustments, migrations.RunPython.noop),
        AddConstraintNotValid(
            model_name='settlementline',
            constraint=models.CheckConstraint(condition=models.Q(('cleared_amount', django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(django.db.models.expressions.CombinedExpression(models.F('bank_amount'), '+', models.F('fee_amount')), '-', models.F('fee_credit_amount')), '+', models.F('transfer_amount')), '+', models.F('held_amount')))), name='line_is_booked_in_full'),
        ),
    ]
