import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0010_operations_by_end'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='vm',
            options={'ordering': ('-created_at', '-id'), 'permissions': (('operate_vm', 'Can start, stop, reboot, pause and suspend VM'),), 'verbose_name': 'VM', 'verbose_name_plural': 'VMs'},
        ),
        migrations.AlterField(
            model_name='apitoken',
            name='project',
            field=models.ForeignKey(limit_choices_to={'deleted_at': None}, on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to='compute.project'),
        ),
        migrations.AlterField(
            model_name='apitoken',
            name='user',
            field=models.ForeignKey(limit_choices_to={'is_active': True}, on_delete=django.db.models.deletion.PROTECT, related_name='api_tokens', to=settings.AUTH_USER_MODEL),
        ),
    ]
