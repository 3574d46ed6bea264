"""Add the clouds that a project may use; a project of before may go on using all."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0004_search_at_scale'),
    ]

    operations = [
        migrations.AddField(
            model_name='project',
            name='clouds',
            field=models.JSONField(blank=True, null=True),
        ),
    ]
