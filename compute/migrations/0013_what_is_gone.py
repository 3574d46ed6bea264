"""Forget user data that no create needs, and give back quotas of vanished servers."""

from django.db import migrations
from django.db.models import Count, Exists, F, OuterRef, Sum


def forget_user_data(apps, schema_editor):
    Operation = apps.get_model("compute", "Operation")
    creating = Operation.objects.filter(
        vm=OuterRef("pk"), type="vm.create", status__in=("PENDING", "RUNNING")
    )
    written = apps.get_model("compute", "VM").objects.exclude(user_data="")
    written.filter(~Exists(creating)).update(user_data="")


def give_back_quotas(apps, schema_editor):
    vanished = apps.get_model("compute", "VM").objects.filter(
        status="ERROR", error__code="server-vanished", counted=True
    )
    held = vanished.order_by("project").values("project").annotate(
        vms=Count("pk"),
        vcpus=Sum("vcpus"),
        ram_mb=Sum("ram_mb"),
        disk_gb=Sum("disk_gb"),
    )
    quotas = apps.get_model("compute", "Quota").objects
    for amounts in list(held):
        of_project = quotas.filter(project=amounts.pop("project"))
        for resource, amount in amounts.items():
            of_project.filter(resource=resource).update(used=F("used") - amount)
    vanished.update(observed_status="DELETED", counted=False)


class Migration(migrations.Migration):
    dependencies = [("compute", "0012_user_data_encoding")]
    operations = [
        migrations.RunPython(forget_user_data, migrations.RunPython.noop),
        migrations.RunPython(give_back_quotas, migrations.RunPython.noop),
    ]
