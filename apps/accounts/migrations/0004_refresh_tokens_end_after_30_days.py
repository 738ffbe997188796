"""Tokens of earlier log-ins end with their family too; their texts, which say later, are judged by these rows."""

from django.db import migrations

_CAP = """
    UPDATE accounts_refreshtoken AS token SET expires_at = session.created_at + interval '30 days'
    FROM accounts_session AS session
    WHERE session.id = token.session_id AND token.expires_at > session.created_at + interval '30 days'
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_challenge_send_failure")]

    operations = [migrations.RunSQL(_CAP, migrations.RunSQL.noop)]
