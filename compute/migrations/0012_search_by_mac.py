"""Give PostgreSQL an index of the MACs of VMs."""

from django.db import migrations

# The expression is that of `HasMAC` in `compute.search`.
INDEX = """
CREATE INDEX vm_by_mac ON compute_vm USING gin (
    (jsonb_path_query_array(addresses, '$[*].mac') || jsonb_path_query_array(networks, '$[*].mac'))
    jsonb_path_ops
) WITH (fastupdate = off)
"""
DROP = "DROP INDEX vm_by_mac"


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
        migrations.RunPython(on_postgresql(INDEX), on_postgresql(DROP)),
    ]
