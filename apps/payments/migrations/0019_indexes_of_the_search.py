from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The tables may be large: building the indexes does not stop the shop.
    atomic = False

    dependencies = [
        ('payments', '0018_describe_amounts_without_their_unit'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='paymentattempt',
            index=models.Index(fields=['gateway_payment_id'], name='attempt_by_gateway_id'),
        ),
        AddIndexConcurrently(
            model_name='paymentattempt',
            index=models.Index(condition=models.Q(('rrn', ''), _negated=True), fields=['rrn'], name='attempt_by_rrn'),
        ),
        AddIndexConcurrently(
            model_name='refund',
            index=models.Index(condition=models.Q(('arn', ''), _negated=True), fields=['arn'], name='refund_by_arn'),
        ),
        AddIndexConcurrently(
            model_name='refund',
            index=models.Index(condition=models.Q(('manual_reference', ''), _negated=True), fields=['manual_reference'], name='refund_by_transfer'),
        ),
        AddIndexConcurrently(
            model_name='settlement',
            index=models.Index(fields=['gateway_settlement_id'], name='settlement_by_gateway_id'),
        ),
        AddIndexConcurrently(
            model_name='settlement',
            index=models.Index(condition=models.Q(('utr', ''), _negated=True), fields=['utr'], name='settlement_by_utr'),
        ),
    ]
