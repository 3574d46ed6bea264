"""Add indexes for the lists that the API offers, and drop unused ones.

PostgreSQL also gets indexes of labels, and statistics across columns: in one project most
VMs may be deleted, and the planner would assume the average of all projects.
"""

import django.db.models.deletion
from django.db import migrations, models


# Without the list of pending entries: searches would read it, and now and then a write
# would have to empty it.
LABELS = """
CREATE INDEX vm_by_labels ON compute_vm USING gin (labels) WITH (fastupdate = off);
CREATE INDEX snapshot_by_labels ON compute_snapshot USING gin (labels) WITH (fastupdate = off);
"""
DROP_LABELS = """
DROP INDEX snapshot_by_labels;
DROP INDEX vm_by_labels;
"""
STATISTICS = """
CREATE STATISTICS vm_by_project_and_status (mcv) ON project_id, status, deleted_at FROM compute_vm;
ALTER STATISTICS vm_by_project_and_status SET STATISTICS 1000;
CREATE STATISTICS snapshot_by_project_and_status (mcv) ON project_id, status, deleted_at FROM compute_snapshot;
ALTER STATISTICS snapshot_by_project_and_status SET STATISTICS 1000;
"""
DROP_STATISTICS = """
DROP STATISTICS snapshot_by_project_and_status;
DROP STATISTICS vm_by_project_and_status;
"""


def on_postgresql(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0002_keypairs'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='event',
            name='event_by_time',
        ),
        migrations.RemoveIndex(
            model_name='snapshot',
            name='snapshot_by_project_creation',
        ),
        migrations.RemoveIndex(
            model_name='vm',
            name='vm_by_status',
        ),
        migrations.RemoveIndex(
            model_name='vm',
            name='vm_by_project_creation',
        ),
        migrations.AlterField(
            model_name='event',
            name='project',
            field=models.ForeignKey(blank=True, db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='compute.project'),
        ),
        migrations.AlterField(
            model_name='keypair',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project'),
        ),
        migrations.AlterField(
            model_name='operation',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='operations', to='compute.project'),
        ),
        migrations.AlterField(
            model_name='snapshot',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project'),
        ),
        migrations.AlterField(
            model_name='snapshot',
            name='vm',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='snapshots', to='compute.vm'),
        ),
        migrations.AlterField(
            model_name='vm',
            name='project',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['type', 'project', 'created_at', 'id'], name='event_by_type'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(fields=['actor', 'project', 'created_at', 'id'], name='event_by_actor'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('outcome', 'SUCCEEDED'), _negated=True), fields=['outcome', 'project', 'created_at', 'id'], name='event_not_succeeded'),
        ),
        migrations.AddIndex(
            model_name='event',
            index=models.Index(condition=models.Q(('request_id', ''), _negated=True), fields=['request_id'], name='event_by_request'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(fields=['type', 'project', 'created_at', 'id'], name='operation_by_type'),
        ),
        migrations.AddIndex(
            model_name='operation',
            index=models.Index(condition=models.Q(('status', 'SUCCEEDED'), _negated=True), fields=['status', 'project', 'created_at', 'id'], name='operation_not_succeeded'),
        ),
        migrations.AddIndex(
            model_name='snapshot',
            index=models.Index(fields=['project', 'created_at', 'id'], name='snapshot_by_project_creation'),
        ),
        migrations.AddIndex(
            model_name='snapshot',
            index=models.Index(fields=['status', 'project', 'created_at', 'id', 'deleted_at'], name='snapshot_by_status'),
        ),
        migrations.AddIndex(
            model_name='snapshot',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['project', 'created_at', 'id'], name='snapshot_alive'),
        ),
        migrations.AddIndex(
            model_name='vm',
            index=models.Index(fields=['flavor_name'], name='vm_by_flavor_name'),
        ),
        migrations.AddIndex(
            model_name='vm',
            index=models.Index(fields=['image_name'], name='vm_by_image_name'),
        ),
        migrations.AddIndex(
            model_name='vm',
            index=models.Index(fields=['status', 'project', 'created_at', 'id', 'deleted_at'], name='vm_by_status'),
        ),
        migrations.AddIndex(
            model_name='vm',
            index=models.Index(fields=['project', 'created_at', 'id'], name='vm_by_project_creation'),
        ),
        migrations.AddIndex(
            model_name='vm',
            index=models.Index(condition=models.Q(('deleted_at', None)), fields=['project', 'created_at', 'id'], name='vm_alive'),
        ),
        migrations.RunPython(on_postgresql(LABELS), on_postgresql(DROP_LABELS)),
        migrations.RunPython(on_postgresql(STATISTICS), on_postgresql(DROP_STATISTICS)),
    ]
