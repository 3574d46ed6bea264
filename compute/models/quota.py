"""Quota: how much of each resource a project may have, and has."""

from uuid import UUID

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from compute.limits import MAX_LIMIT
from compute.models.project import Project


class Resource(models.TextChoices):
    """What is counted, in the words of the API."""

    VMS = "vms", "VMs"
    VCPUS = "vcpus", "vCPUs"
    RAM_MB = "ram_mb", "RAM, MB"
    DISK_GB = "disk_gb", "Disk, GB"
    SNAPSHOTS = "snapshots", "Snapshots"
    KEYPAIRS = "keypairs", "Keypairs"
    NETWORKS = "networks", "Networks"
    SUBNETS = "subnets", "Subnets"
    ROUTERS = "routers", "Routers"
    FLOATING_IPS = "floating_ips", "Floating IPs"
    SECURITY_GROUPS = "security_groups", "Security groups"
    SECURITY_GROUP_RULES = "security_group_rules", "Security group rules"
    WEBHOOKS = "webhooks", "Webhooks"


class QuotaQuerySet(models.QuerySet["Quota"]):
    def of(self, *projects: Project) -> "dict[UUID, list[Quota]]":
        """Return the quotas of projects by their ids, in the order of the resources.

        What a project has no row of yet has the default limit.
        """
        known = {
            (quota.project_id, quota.resource): quota
            for quota in self.filter(project__in=projects)
        }
        return {
            project.pk: [
                known.get((project.pk, resource))
                or Quota(
                    project=project,
                    resource=resource,
                    limit=default_limit(project, resource),
                )
                for resource in sorted(Resource.values)
            ]
            for project in projects
        }


def default_limit(project: Project, resource: str) -> int | None:
    """Return the limit of a project that was given none; ``None``: no limit."""
    return None if project.is_default else settings.DEFAULT_QUOTAS.get(resource)


class Quota(models.Model):
    """One resource of one project. `compute.services.quotas` alone changes ``used``."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="quotas"
    )
    resource = models.CharField(max_length=32, choices=Resource.choices)
    #: ``None``: as much as the cloud gives.
    limit = models.PositiveBigIntegerField(
        null=True, blank=True, validators=(MaxValueValidator(MAX_LIMIT),)
    )
    #: Kept, not counted, so that a check costs one row and not a table.
    used = models.PositiveBigIntegerField(default=0)

    objects = QuotaQuerySet.as_manager()

    class Meta:
        ordering = ("project", "resource")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "resource"), name="quota_once_per_resource"
            ),
            models.CheckConstraint(
                condition=Q(resource__in=Resource.values), name="quota_resource_known"
            ),
        )

    def __str__(self) -> str:
        limit = "unlimited" if self.limit is None else self.limit
        return f"{self.resource}: {self.used} of {limit}"
