"""Add keypairs, and a quota of them to every project, without a limit.

So nobody's next request is refused. A deleted project has no quotas: nothing new fits in.
"""

import compute.limits
import compute.models.keypair
import django.db.models.deletion
import django.utils.timezone
import uuid
from django.db import migrations, models


def add_quotas(apps, schema_editor):
    quotas = apps.get_model("compute", "Quota").objects
    for project in apps.get_model("compute", "Project").objects.filter(
        deleted_at=None
    ):
        quotas.create(project=project, resource="keypairs")


def remove_quotas(apps, schema_editor):
    apps.get_model("compute", "Quota").objects.filter(resource="keypairs").delete()


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0001_first'),
    ]

    operations = [
        migrations.CreateModel(
            name='Keypair',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=255, validators=[compute.limits.NameValidator()])),
                ('labels', models.JSONField(blank=True, default=dict, validators=[compute.limits.validate_labels])),
                ('counted', models.BooleanField(default=True)),
                ('type', models.CharField(max_length=64)),
                ('fingerprint', models.CharField(max_length=64)),
                ('public_key', models.TextField(validators=[compute.models.keypair.validate_public_key])),
            ],
            options={
                'ordering': ('-created_at', '-id'),
            },
        ),
        migrations.RemoveConstraint(
            model_name='quota',
            name='quota_resource_known',
        ),
        migrations.AddField(
            model_name='vm',
            name='keypair_name',
            field=models.CharField(blank=True, default='', max_length=255),
        ),
        migrations.AlterField(
            model_name='quota',
            name='resource',
            field=models.CharField(choices=[('vms', 'VMs'), ('vcpus', 'vCPUs'), ('ram_mb', 'RAM, MB'), ('disk_gb', 'Disk, GB'), ('snapshots', 'Snapshots'), ('keypairs', 'Keypairs')], max_length=32),
        ),
        migrations.AddConstraint(
            model_name='quota',
            constraint=models.CheckConstraint(condition=models.Q(('resource__in', ['vms', 'vcpus', 'ram_mb', 'disk_gb', 'snapshots', 'keypairs'])), name='quota_resource_known'),
        ),
        migrations.AddField(
            model_name='keypair',
            name='project',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project'),
        ),
        migrations.AddField(
            model_name='vm',
            name='keypair',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='vms', to='compute.keypair'),
        ),
        migrations.AddIndex(
            model_name='keypair',
            index=models.Index(fields=['created_at', 'id'], name='keypair_by_creation'),
        ),
        migrations.AddIndex(
            model_name='keypair',
            index=models.Index(fields=['name', 'id'], name='keypair_by_name'),
        ),
        migrations.AddIndex(
            model_name='keypair',
            index=models.Index(fields=['project', 'created_at', 'id', 'deleted_at'], name='keypair_by_project_creation'),
        ),
        migrations.AddIndex(
            model_name='keypair',
            index=models.Index(fields=['project', 'name', 'id'], name='keypair_by_project_name'),
        ),
        migrations.AddConstraint(
            model_name='keypair',
            constraint=models.UniqueConstraint(condition=models.Q(('deleted_at', None)), fields=('project', 'name'), name='keypair_name_once_per_project'),
        ),
        migrations.RunPython(add_quotas, remove_quotas),
    ]
