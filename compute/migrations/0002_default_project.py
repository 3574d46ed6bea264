from django.db import migrations


def create_default_project(apps, schema_editor):
    apps.get_model("compute", "Project").objects.get_or_create(name="default")


class Migration(migrations.Migration):
    dependencies = [("compute", "0001_initial")]
    operations = [
        migrations.RunPython(create_default_project, migrations.RunPython.noop)
    ]
