"""Make every table, the default project, and the guards of the log.

The tables are generated; what Django cannot derive from the models stands below.
"""

import compute.limits
import django.contrib.auth.models
import django.contrib.auth.validators
import django.core.validators
import django.db.models.deletion
import django.utils.timezone
import django_fsm
import uuid
from django.conf import settings
from django.db import migrations, models


def create_default_project(apps, schema_editor):
    """Make the project that takes what names none; its quotas have no limits."""
    project = apps.get_model("compute", "Project").objects.create(name="default")
    quotas = apps.get_model("compute", "Quota").objects
    for resource, _ in quotas.model._meta.get_field("resource").choices:
        quotas.create(project=project, resource=resource)


# PostgreSQL itself refuses to change or remove what stands in the log. The job that
# removes old events says in its transaction how old they must be.
GUARD = """
CREATE FUNCTION compute_event_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    days text := current_setting('compute.event_retention_days', true);
BEGIN
    IF TG_OP = 'DELETE' AND days ~ '^[0-9]{1,6}$' THEN
        IF days::integer >= 30 AND OLD.created_at < now() - make_interval(days => days::integer) THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'events are append-only' USING ERRCODE = 'integrity_constraint_violation';
END
$$;
CREATE TRIGGER compute_event_append_only BEFORE UPDATE OR DELETE ON compute_event
    FOR EACH ROW EXECUTE FUNCTION compute_event_append_only();
CREATE TRIGGER compute_event_no_truncate BEFORE TRUNCATE ON compute_event
    FOR EACH STATEMENT EXECUTE FUNCTION compute_event_append_only();
"""
DROP_GUARD = """
DROP TRIGGER compute_event_no_truncate ON compute_event;
DROP TRIGGER compute_event_append_only ON compute_event;
DROP FUNCTION compute_event_append_only();
"""


def on_postgresql(sql):
    def execute(apps, schema_editor):
        if schema_editor.connection.vendor == "postgresql":
            schema_editor.execute(sql, params=None)

    return execute


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('auth', '0012_alter_user_first_name_max_length'),
    ]

    operations = [
        migrations.CreateModel(
            name='Cloud',
            fields=[
                ('alias', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('calls', models.BigIntegerField(default=0)),
                ('catalog_refreshed_at', models.DateTimeField(blank=True, null=True)),
            ],
            options={
                'ordering': ('alias',),
            },
        ),
        migrations.CreateModel(
            name='User',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('password', models.CharField(max_length=128, verbose_name='password')),
                ('last_login', models.DateTimeField(blank=True, null=True, verbose_name='last login')),
                ('is_superuser', models.BooleanField(default=False, help_text='Designates that this user has all permissions without explicitly assigning them.', verbose_name='superuser status')),
                ('username', models.CharField(error_messages={'unique': 'A user with that username already exists.'}, help_text='Required. 150 characters or fewer. Letters, digits and @/./+/-/_ only.', max_length=150, unique=True, validators=[django.contrib.auth.validators.UnicodeUsernameValidator()], verbose_name='username')),
                ('first_name', models.CharField(blank=True, max_length=150, verbose_name='first name')),
                ('last_name', models.CharField(blank=True, max_length=150, verbose_name='last name')),
                ('email', models.EmailField(blank=True, max_length=254, verbose_name='email address')),
                ('is_staff', models.BooleanField(default=False, help_text='Designates whether the user can log into this admin site.', verbose_name='staff status')),
                ('is_active', models.BooleanField(default=True, help_text='Designates whether this user should be treated as active. Unselect this instead of deleting accounts.', verbose_name='active')),
                ('date_joined', models.DateTimeField(default=django.utils.timezone.now, verbose_name='date joined')),
                ('groups', models.ManyToManyField(blank=True, help_text='The groups this user belongs to. A user will get all permissions granted to each of their groups.', related_name='user_set', related_query_name='user', to='auth.group', verbose_name='groups')),
                ('user_permissions', models.ManyToManyField(blank=True, help_text='Specific permissions for this user.', related_name='user_set', related_query_name='user', to='auth.permission', verbose_name='user permissions')),
            ],
            options={
                'verbose_name': 'user',
                'verbose_name_plural': 'users',
                'abstract': False,
            },
            managers=[
                ('objects', django.contrib.auth.models.UserManager()),
            ],
        ),
        migrations.CreateModel(
            name='Flavor',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('cloud', models.CharField(max_length=64)),
                ('provider_id', models.CharField(max_length=255)),
                ('name', models.CharField(max_length=255)),
                ('vanished_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('vcpus', models.PositiveIntegerField()),
                ('ram_mb', models.PositiveIntegerField()),
                ('disk_gb', models.PositiveIntegerField()),
            ],
            options={
                'ordering': ('name', 'id'),
                'indexes': [models.Index(fields=['name', 'id'], name='flavor_by_name')],
                'constraints': [models.UniqueConstraint(fields=('cloud', 'provider_id'), name='flavor_once_per_cloud')],
            },
        ),
        migrations.CreateModel(
            name='Project',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=255, validators=[compute.limits.NameValidator()])),
                ('description', models.TextField(blank=True, default='', validators=[django.core.validators.MaxLengthValidator(4096), compute.limits.LinesValidator()])),
                ('event_sequence', models.BigIntegerField(default=0, editable=False)),
            ],
            options={
                'ordering': ('name',),
                'indexes': [models.Index(fields=['name', 'id'], name='project_by_name'), models.Index(fields=['created_at', 'id'], name='project_by_creation')],
                'constraints': [models.UniqueConstraint(condition=models.Q(('deleted_at', None), ('name', 'default')), fields=('name',), name='project_default_once')],
            },
        ),
        migrations.CreateModel(
            name='Repeat',
            fields=[
                ('digest', models.CharField(max_length=64, primary_key=True, serialize=False)),
                ('since', models.DateTimeField(default=django.utils.timezone.now)),
                ('count', models.PositiveIntegerField(default=0)),
            ],
            options={
                'indexes': [models.Index(fields=['since'], name='repeat_by_time')],
            },
        ),
        migrations.CreateModel(
            name='Operation',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('type', models.CharField(choices=[('vm.create', 'Vm Create'), ('vm.start', 'Vm Start'), ('vm.stop', 'Vm Stop'), ('vm.reboot', 'Vm Reboot'), ('vm.resize', 'Vm Resize'), ('vm.rebuild', 'Vm Rebuild'), ('vm.restore', 'Vm Restore'), ('vm.pause', 'Vm Pause'), ('vm.unpause', 'Vm Unpause'), ('vm.suspend', 'Vm Suspend'), ('vm.resume', 'Vm Resume'), ('vm.shelve', 'Vm Shelve'), ('vm.unshelve', 'Vm Unshelve'), ('vm.rescue', 'Vm Rescue'), ('vm.unrescue', 'Vm Unrescue'), ('vm.delete', 'Vm Delete'), ('snapshot.create', 'Snapshot Create'), ('snapshot.delete', 'Snapshot Delete')], max_length=32)),
                ('status', models.CharField(choices=[('PENDING', 'Pending'), ('RUNNING', 'Running'), ('SUCCEEDED', 'Succeeded'), ('FAILED', 'Failed'), ('CANCELLED', 'Cancelled')], default='PENDING', max_length=16)),
                ('cloud', models.CharField(max_length=64)),
                ('target_kind', models.CharField(max_length=32)),
                ('target_id', models.UUIDField()),
                ('related_kind', models.CharField(blank=True, default='', max_length=32)),
                ('related_id', models.UUIDField(blank=True, null=True)),
                ('params', models.JSONField(blank=True, default=dict)),
                ('from_status', models.CharField(blank=True, default='', max_length=32)),
                ('end_status', models.CharField(blank=True, default='', max_length=32)),
                ('requested_by', models.CharField(max_length=255)),
                ('request_id', models.CharField(blank=True, default='', max_length=64)),
                ('step', models.CharField(blank=True, default='', max_length=64)),
                ('progress', models.PositiveSmallIntegerField(default=0)),
                ('error', models.JSONField(blank=True, null=True)),
                ('cancel_requested', models.BooleanField(default=False)),
                ('attempts', models.PositiveIntegerField(default=0)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('lease_until', models.DateTimeField(blank=True, null=True)),
                ('deadline', models.DateTimeField()),
                ('issued_at', models.DateTimeField(blank=True, null=True)),
                ('call', models.CharField(blank=True, default='', max_length=32)),
                ('receipt', models.CharField(blank=True, default='', max_length=64)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('started_at', models.DateTimeField(blank=True, null=True)),
                ('finished_at', models.DateTimeField(blank=True, null=True)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='operations', to='compute.project')),
            ],
            options={
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['created_at', 'id'], name='operation_by_creation'), models.Index(fields=['project', 'created_at', 'id'], name='operation_by_project_creation'), models.Index(fields=['target_kind', 'target_id', '-created_at'], name='operation_by_target'), models.Index(condition=models.Q(('related_id__isnull', False)), fields=['related_kind', 'related_id', '-created_at'], name='operation_by_related'), models.Index(condition=models.Q(('status__in', ('PENDING', 'RUNNING'))), fields=['cloud', 'status', 'lease_until'], name='operation_live')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'])), name='operation_status_known'), models.CheckConstraint(condition=models.Q(('type__in', ['vm.create', 'vm.start', 'vm.stop', 'vm.reboot', 'vm.resize', 'vm.rebuild', 'vm.restore', 'vm.pause', 'vm.unpause', 'vm.suspend', 'vm.resume', 'vm.shelve', 'vm.unshelve', 'vm.rescue', 'vm.unrescue', 'vm.delete', 'snapshot.create', 'snapshot.delete'])), name='operation_type_known'), models.CheckConstraint(condition=models.Q(models.Q(('related_id', None), ('related_kind', '')), models.Q(models.Q(('related_kind', ''), _negated=True), ('related_id__isnull', False)), _connector='OR'), name='operation_related_is_whole'), models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('status__in', ('PENDING', 'RUNNING'))), models.Q(models.Q(('status__in', ('PENDING', 'RUNNING')), _negated=True), ('finished_at__isnull', False)), _connector='OR'), name='operation_finished_has_time')],
            },
        ),
        migrations.CreateModel(
            name='Membership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('role', models.CharField(choices=[('reader', 'Reader'), ('member', 'Member'), ('admin', 'Admin')], max_length=16)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='memberships', to='compute.project')),
            ],
            options={
                'ordering': ('project', 'user'),
                'constraints': [models.UniqueConstraint(fields=('project', 'user'), name='membership_once_per_project'), models.CheckConstraint(condition=models.Q(('role__in', ['reader', 'member', 'admin'])), name='membership_role_known')],
            },
        ),
        migrations.CreateModel(
            name='Image',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('cloud', models.CharField(max_length=64)),
                ('provider_id', models.CharField(max_length=255)),
                ('name', models.CharField(max_length=255)),
                ('vanished_at', models.DateTimeField(blank=True, null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('status', models.CharField(default='active', max_length=32)),
                ('visibility', models.CharField(default='public', max_length=16)),
                ('size_bytes', models.BigIntegerField(blank=True, null=True)),
                ('min_disk_gb', models.PositiveIntegerField(default=0)),
                ('min_ram_mb', models.PositiveIntegerField(default=0)),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='images', to='compute.project')),
            ],
            options={
                'ordering': ('name', 'id'),
                'indexes': [models.Index(fields=['name', 'id'], name='image_by_name')],
                'constraints': [models.UniqueConstraint(fields=('cloud', 'provider_id'), name='image_once_per_cloud')],
            },
        ),
        migrations.CreateModel(
            name='APIToken',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('role', models.CharField(choices=[('reader', 'Reader'), ('member', 'Member'), ('admin', 'Admin')], max_length=16)),
                ('name', models.CharField(max_length=255, validators=[compute.limits.NameValidator()])),
                ('prefix', models.CharField(editable=False, max_length=16)),
                ('digest', models.CharField(editable=False, max_length=64, unique=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('last_used_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to=settings.AUTH_USER_MODEL)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to='compute.project')),
            ],
            options={
                'verbose_name': 'API token',
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['prefix'], name='api_token_by_prefix'), models.Index(fields=['created_at', 'id'], name='api_token_by_creation'), models.Index(fields=['name', 'id'], name='api_token_by_name')],
                'constraints': [models.CheckConstraint(condition=models.Q(('role__in', ['reader', 'member', 'admin'])), name='api_token_role_known')],
            },
        ),
        migrations.CreateModel(
            name='Quota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('resource', models.CharField(choices=[('vms', 'VMs'), ('vcpus', 'vCPUs'), ('ram_mb', 'RAM, MB'), ('disk_gb', 'Disk, GB'), ('snapshots', 'Snapshots')], max_length=32)),
                ('limit', models.PositiveBigIntegerField(blank=True, null=True, validators=[django.core.validators.MaxValueValidator(9007199254740991)])),
                ('used', models.PositiveBigIntegerField(default=0)),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='compute.project')),
            ],
            options={
                'ordering': ('project', 'resource'),
                'constraints': [models.UniqueConstraint(fields=('project', 'resource'), name='quota_once_per_resource'), models.CheckConstraint(condition=models.Q(('resource__in', ['vms', 'vcpus', 'ram_mb', 'disk_gb', 'snapshots'])), name='quota_resource_known')],
            },
        ),
        migrations.CreateModel(
            name='CloudService',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('service', models.CharField(max_length=32)),
                ('observed_at', models.DateTimeField(blank=True, null=True)),
                ('full_observed_at', models.DateTimeField(blank=True, null=True)),
                ('next_pass_at', models.DateTimeField(blank=True, null=True)),
                ('paused_until', models.DateTimeField(blank=True, null=True)),
                ('pass_lease_until', models.DateTimeField(blank=True, null=True)),
                ('pass_seconds', models.FloatField(blank=True, null=True)),
                ('full_pass_seconds', models.FloatField(blank=True, null=True)),
                ('passes', models.BigIntegerField(default=0)),
                ('seen', models.PositiveIntegerField(blank=True, null=True)),
                ('failures', models.PositiveIntegerField(default=0)),
                ('last_error', models.TextField(blank=True, default='')),
                ('last_error_at', models.DateTimeField(blank=True, null=True)),
                ('cloud', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='services', to='compute.cloud')),
            ],
            options={
                'ordering': ('cloud', 'service'),
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('cloud', 'service'), name='cloud_service_once')],
            },
        ),
        migrations.CreateModel(
            name='Login',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('tokens', 'Tokens'), ('browser', 'Browser')], max_length=16)),
                ('auth_hash', models.CharField(editable=False, max_length=128)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('user_agent', models.CharField(blank=True, default='', max_length=255)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('refreshed_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('expires_at', models.DateTimeField()),
                ('revoked_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='logins', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['-created_at', '-id'], name='login_by_creation'), models.Index(fields=['expires_at'], name='login_by_expiry')],
                'constraints': [models.CheckConstraint(condition=models.Q(('kind__in', ['tokens', 'browser'])), name='login_kind_known')],
            },
        ),
        migrations.CreateModel(
            name='IdempotencyKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('principal', models.CharField(max_length=255)),
                ('key', models.CharField(max_length=255)),
                ('fingerprint', models.CharField(max_length=64)),
                ('resource_id', models.UUIDField(null=True)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('operation', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='compute.operation')),
                ('project', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='idempotency_keys', to='compute.project')),
            ],
            options={
                'indexes': [models.Index(fields=['created_at'], name='idempotency_by_time')],
                'constraints': [models.UniqueConstraint(fields=('project', 'principal', 'key'), name='idempotency_key_once'), models.UniqueConstraint(condition=models.Q(('project', None)), fields=('principal', 'key'), name='idempotency_key_once_without_project')],
            },
        ),
        migrations.CreateModel(
            name='Event',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('sequence', models.BigIntegerField(blank=True, null=True)),
                ('type', models.CharField(max_length=64)),
                ('outcome', models.CharField(choices=[('SUCCEEDED', 'Succeeded'), ('REFUSED', 'Refused'), ('FAILED', 'Failed')], default='SUCCEEDED', max_length=16)),
                ('subject_kind', models.CharField(blank=True, default='', max_length=32)),
                ('subject_id', models.UUIDField(blank=True, null=True)),
                ('related_kind', models.CharField(blank=True, default='', max_length=32)),
                ('related_id', models.UUIDField(blank=True, null=True)),
                ('actor', models.CharField(max_length=255)),
                ('token', models.CharField(blank=True, default='', max_length=16)),
                ('address', models.GenericIPAddressField(blank=True, null=True)),
                ('request_id', models.CharField(blank=True, default='', max_length=64)),
                ('data', models.JSONField(blank=True, default=dict)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('operation', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='compute.operation')),
                ('project', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='compute.project')),
            ],
            options={
                'ordering': ('-created_at', '-sequence'),
                'indexes': [models.Index(fields=['created_at', 'id'], name='event_by_creation'), models.Index(fields=['project', 'created_at', 'id'], name='event_by_project_creation'), models.Index(fields=['-created_at', '-sequence'], name='event_by_time'), models.Index(fields=['subject_kind', 'subject_id', '-sequence'], name='event_by_subject'), models.Index(condition=models.Q(('related_id__isnull', False)), fields=['related_kind', 'related_id', '-sequence'], name='event_by_related')],
                'constraints': [models.UniqueConstraint(fields=('project', 'sequence'), name='event_sequence_once'), models.CheckConstraint(condition=models.Q(models.Q(('project', None), ('sequence', None)), models.Q(('project__isnull', False), ('sequence__isnull', False)), _connector='OR'), name='event_of_project_is_counted'), models.CheckConstraint(condition=models.Q(('outcome__in', ['SUCCEEDED', 'REFUSED', 'FAILED'])), name='event_outcome_known'), models.CheckConstraint(condition=models.Q(models.Q(('subject_id', None), ('subject_kind', '')), models.Q(models.Q(('subject_kind', ''), _negated=True), ('subject_id__isnull', False)), _connector='OR'), name='event_subject_is_whole'), models.CheckConstraint(condition=models.Q(models.Q(('related_id', None), ('related_kind', '')), models.Q(models.Q(('related_kind', ''), _negated=True), ('related_id__isnull', False)), _connector='OR'), name='event_related_is_whole')],
            },
        ),
        migrations.CreateModel(
            name='VM',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=255, validators=[compute.limits.NameValidator()])),
                ('labels', models.JSONField(blank=True, default=dict, validators=[compute.limits.validate_labels])),
                ('counted', models.BooleanField(default=True)),
                ('cloud', models.CharField(max_length=64)),
                ('description', models.TextField(blank=True, default='', validators=[django.core.validators.MaxLengthValidator(4096), compute.limits.LinesValidator()])),
                ('error', models.JSONField(blank=True, null=True)),
                ('delete_protection', models.BooleanField(default=False)),
                ('user_data', models.TextField(blank=True, default='')),
                ('user_data_encoding', models.CharField(choices=[('plain', 'Plain text'), ('base64', 'Base64')], default='plain', max_length=8)),
                ('flavor_name', models.CharField(max_length=255)),
                ('image_name', models.CharField(max_length=255)),
                ('vcpus', models.PositiveIntegerField()),
                ('ram_mb', models.PositiveIntegerField()),
                ('disk_gb', models.PositiveIntegerField()),
                ('reserved_vcpus', models.PositiveIntegerField(default=0)),
                ('reserved_ram_mb', models.PositiveIntegerField(default=0)),
                ('reserved_disk_gb', models.PositiveIntegerField(default=0)),
                ('status', django_fsm.FSMField(choices=[('ACTIVE', 'Active'), ('SHUTOFF', 'Shut off'), ('PAUSED', 'Paused'), ('SUSPENDED', 'Suspended'), ('SHELVED_OFFLOADED', 'Shelved'), ('RESCUE', 'Rescue'), ('ERROR', 'Error'), ('DELETED', 'Deleted'), ('BUILD', 'Building'), ('STARTING', 'Starting'), ('STOPPING', 'Stopping'), ('REBOOT', 'Rebooting'), ('RESIZE', 'Resizing'), ('REBUILD', 'Rebuilding'), ('RESTORING', 'Restoring'), ('PAUSING', 'Pausing'), ('UNPAUSING', 'Unpausing'), ('SUSPENDING', 'Suspending'), ('RESUMING', 'Resuming'), ('SHELVING', 'Shelving'), ('UNSHELVING', 'Unshelving'), ('RESCUING', 'Rescuing'), ('UNRESCUING', 'Unrescuing'), ('DELETING', 'Deleting')], default='BUILD', max_length=50, protected=True)),
                ('observed_status', models.CharField(blank=True, default='', max_length=32)),
                ('observed_at', models.DateTimeField(blank=True, null=True)),
                ('missing_since', models.DateTimeField(blank=True, null=True)),
                ('server_id', models.CharField(blank=True, default='', max_length=64)),
                ('never_launched', models.BooleanField(default=False)),
                ('addresses', models.JSONField(blank=True, default=list)),
                ('flavor', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='vms', to='compute.flavor')),
                ('image', models.ForeignKey(null=True, on_delete=django.db.models.deletion.PROTECT, related_name='vms', to='compute.image')),
                ('operation', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compute.operation')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project')),
            ],
            options={
                'verbose_name': 'VM',
                'verbose_name_plural': 'VMs',
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['created_at', 'id'], name='vm_by_creation'), models.Index(fields=['updated_at', 'id'], name='vm_by_update'), models.Index(fields=['name', 'id'], name='vm_by_name'), models.Index(fields=['status', 'created_at', 'id'], name='vm_by_status'), models.Index(fields=['project', 'created_at', 'id', 'deleted_at'], name='vm_by_project_creation'), models.Index(fields=['project', 'updated_at', 'id'], name='vm_by_project_update'), models.Index(fields=['project', 'name', 'id'], name='vm_by_project_name')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['ACTIVE', 'SHUTOFF', 'PAUSED', 'SUSPENDED', 'SHELVED_OFFLOADED', 'RESCUE', 'ERROR', 'DELETED', 'BUILD', 'STARTING', 'STOPPING', 'REBOOT', 'RESIZE', 'REBUILD', 'RESTORING', 'PAUSING', 'UNPAUSING', 'SUSPENDING', 'RESUMING', 'SHELVING', 'UNSHELVING', 'RESCUING', 'UNRESCUING', 'DELETING'])), name='vm_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'DELETED'), ('deleted_at__isnull', False)), models.Q(models.Q(('status', 'DELETED'), _negated=True), ('deleted_at', None)), _connector='OR'), name='vm_deleted_has_time'), models.UniqueConstraint(condition=models.Q(('server_id', ''), _negated=True), fields=('cloud', 'server_id'), name='vm_owns_its_server')],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.CreateModel(
            name='Occupation',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(max_length=32)),
                ('target_id', models.UUIDField()),
                ('operation', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='occupations', to='compute.operation')),
            ],
            options={
                'default_permissions': (),
                'constraints': [models.UniqueConstraint(fields=('kind', 'target_id'), name='occupied_by_one_operation')],
            },
        ),
        migrations.CreateModel(
            name='Snapshot',
            fields=[
                ('id', models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False)),
                ('version', models.PositiveIntegerField(default=1)),
                ('created_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('updated_at', models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True)),
                ('name', models.CharField(max_length=255, validators=[compute.limits.NameValidator()])),
                ('labels', models.JSONField(blank=True, default=dict, validators=[compute.limits.validate_labels])),
                ('counted', models.BooleanField(default=True)),
                ('cloud', models.CharField(max_length=64)),
                ('description', models.TextField(blank=True, default='', validators=[django.core.validators.MaxLengthValidator(4096), compute.limits.LinesValidator()])),
                ('error', models.JSONField(blank=True, null=True)),
                ('status', django_fsm.FSMField(choices=[('CREATING', 'Creating'), ('AVAILABLE', 'Available'), ('DELETING', 'Deleting'), ('ERROR', 'Error'), ('DELETED', 'Deleted')], default='CREATING', max_length=50, protected=True)),
                ('image_provider_id', models.CharField(blank=True, default='', max_length=255)),
                ('size_bytes', models.BigIntegerField(blank=True, null=True)),
                ('image', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='snapshots', to='compute.image')),
                ('operation', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='compute.operation')),
                ('project', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='%(class)ss', to='compute.project')),
                ('vm', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='snapshots', to='compute.vm')),
            ],
            options={
                'ordering': ('-created_at', '-id'),
                'indexes': [models.Index(fields=['created_at', 'id'], name='snapshot_by_creation'), models.Index(fields=['updated_at', 'id'], name='snapshot_by_update'), models.Index(fields=['name', 'id'], name='snapshot_by_name'), models.Index(fields=['vm', 'created_at', 'id'], name='snapshot_by_vm'), models.Index(fields=['project', 'created_at', 'id', 'deleted_at'], name='snapshot_by_project_creation'), models.Index(fields=['project', 'updated_at', 'id'], name='snapshot_by_project_update'), models.Index(fields=['project', 'name', 'id'], name='snapshot_by_project_name')],
                'constraints': [models.CheckConstraint(condition=models.Q(('status__in', ['CREATING', 'AVAILABLE', 'DELETING', 'ERROR', 'DELETED'])), name='snapshot_status_known'), models.CheckConstraint(condition=models.Q(models.Q(('status', 'DELETED'), ('deleted_at__isnull', False)), models.Q(models.Q(('status', 'DELETED'), _negated=True), ('deleted_at', None)), _connector='OR'), name='snapshot_deleted_has_time')],
            },
            bases=(django_fsm.FSMModelMixin, models.Model),
        ),
        migrations.RunPython(create_default_project, migrations.RunPython.noop),
        migrations.RunPython(on_postgresql(GUARD), on_postgresql(DROP_GUARD)),
    ]
