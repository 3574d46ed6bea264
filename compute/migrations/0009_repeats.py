from django.db import migrations, models
import django.utils.timezone


class Migration(migrations.Migration):

    dependencies = [
        ('compute', '0008_project_names_repeat'),
    ]

    operations = [
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
    ]
