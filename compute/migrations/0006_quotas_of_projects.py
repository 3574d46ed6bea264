"""Count what every project has, without limits: nobody's next request is refused."""

from django.db import migrations
from django.db.models import Count, Q, Sum


def count(apps, schema_editor):
    VM = apps.get_model("compute", "VM")
    Snapshot = apps.get_model("compute", "Snapshot")
    Quota = apps.get_model("compute", "Quota")
    VM.objects.filter(
        Q(deleted_at__isnull=False) | Q(status="ERROR", server_id="")
    ).update(counted=False)
    Snapshot.objects.filter(status__in=("DELETED", "ERROR")).update(counted=False)
    for project in apps.get_model("compute", "Project").objects.all():
        used = VM.objects.filter(project=project, counted=True).aggregate(
            vms=Count("pk"),
            vcpus=Sum("vcpus", default=0),
            ram_mb=Sum("ram_mb", default=0),
            disk_gb=Sum("disk_gb", default=0),
        )
        used["snapshots"] = Snapshot.objects.filter(
            project=project, counted=True
        ).count()
        Quota.objects.bulk_create(
            Quota(project=project, resource=resource, used=amount)
            for resource, amount in used.items()
        )


class Migration(migrations.Migration):
    dependencies = [("compute", "0005_projects_people_and_keys")]
    operations = [migrations.RunPython(count, migrations.RunPython.noop)]
