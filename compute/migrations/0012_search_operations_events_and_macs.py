"""Index what the lists of the console are searched by: who asked, requests, addresses, MACs.

MACs on PostgreSQL alone: the expression is that of `HasMAC` in `compute.search`.
"""

from django.db import migrations, models


MACS = """
CREATE INDEX vm_by_mac ON compute_vm USING gin (
    (jsonb_path_query_array(addresses, '$[*].mac') || jsonb_path_query_array(networks, '$[*].mac'))
    jsonb_path_ops
) WITH (fastupdate = off)
"""
DROP_MACS = "DROP INDEX vm_by_mac"


def on_postgresql(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0011_groups_and_tokens'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('address__isnull', False)), fields=['address', 'created_at'], name='event_by_address'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['requested_by', 'created_at'], name='operation_by_requester'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['request_id'], name='operation_by_request'),
        ),
        migrations.RunPython(on_postgresql(MACS), on_postgresql(DROP_MACS)),
    ]
