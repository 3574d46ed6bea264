"""Let names of projects repeat: that one is taken told of projects nobody may see."""

from django.db import migrations, models


def tell_apart(apps, schema_editor):
    """Give what shares a name one of its own, so that the old constraint holds."""
    Project = apps.get_model("compute", "Project")
    taken = set()
    for project in Project.objects.filter(deleted_at=None).order_by("created_at", "id"):
        if project.name in taken:
            project.name = f"{project.name[:218]} {project.pk}"
            project.save(update_fields=["name"])
        taken.add(project.name)


class Migration(migrations.Migration):
    dependencies = [("compute", "0007_events_are_append_only")]
    operations = [
        migrations.RemoveConstraint(model_name="project", name="project_name_once"),
        migrations.RunPython(migrations.RunPython.noop, tell_apart),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(("deleted_at", None), ("name", "default")),
                name="project_default_once",
            ),
        ),
    ]
