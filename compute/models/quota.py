"""Quota: how much of each resource a project may have, and has."""

from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import FloatField, Max, Q, Value
from django.db.models.functions import Cast, Coalesce, NullIf

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


def _used(resource: Resource) -> Coalesce:
    return Coalesce(Max("used", filter=Q(resource=resource)), 0)


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

    def fullest(self) -> Self:
        """Return what is used of limited quotas, the fullest first."""
        # More than a limit of none is the fullest there is.
        share = Cast("used", FloatField()) / NullIf("limit", Value(0))
        used = self.filter(project__deleted_at=None, limit__isnull=False, used__gt=0)
        return used.order_by(share.desc(nulls_first=True), "project__name", "resource")

    def compute_use(self) -> "models.QuerySet[Any, Any]":
        """Return what the VMs of each project take, the most vCPUs first."""
        resources = (Resource.VCPUS, Resource.RAM_MB, Resource.DISK_GB)
        rows = self.filter(project__deleted_at=None, resource__in=resources)
        by_project = rows.values("project_id", "project__name").annotate(
            vcpus=_used(Resource.VCPUS),
            ram_mb=_used(Resource.RAM_MB),
            disk_gb=_used(Resource.DISK_GB),
        )
        return by_project.filter(vcpus__gt=0).order_by(
            "-vcpus", "-ram_mb", "project__name"
        )


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
