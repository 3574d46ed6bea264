"""Security group: what may reach a VM's ports, and what they may reach."""

from django.db import models
from django.db.models import Q
from django.utils.functional import cached_property

from compute.limits import MAX_NAME, NAME_RULES
from compute.models.network import MAX_CIDR
from compute.models.network_resource import (
    NetworkResource,
    NetworkResourceQuerySet,
    optional_project,
)


class SecurityGroupQuerySet(NetworkResourceQuerySet["SecurityGroup"]):
    pass


class SecurityGroup(NetworkResource):
    """Rules under a name; the default one of a cloud has no project."""

    kind = "security-group"
    ACTIONS = ("set-rules",)

    project = optional_project()
    stateful = models.BooleanField(default=True)
    #: As `compute.services.security_groups.rules` shows them.
    rules = models.JSONField(default=list, blank=True)

    objects = SecurityGroupQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        pass

    @cached_property
    def guarded_vms(self) -> int:
        """How many VMs have it; costs a query, once."""
        there = self.ports.filter(deleted_at=None)
        return int(there.values("vm").distinct().count())


class Direction(models.TextChoices):
    INGRESS = "ingress", "Ingress"
    EGRESS = "egress", "Egress"


class SecurityGroupRuleQuerySet(NetworkResourceQuerySet["SecurityGroupRule"]):
    pass


class SecurityGroupRule(NetworkResource):
    """One kind of traffic that a group lets pass."""

    kind = "security-group-rule"

    project = optional_project()
    #: Of no use here: a description says what it is for.
    name = models.CharField(
        max_length=MAX_NAME, validators=NAME_RULES, blank=True, default=""
    )
    group = models.ForeignKey(
        SecurityGroup, on_delete=models.PROTECT, related_name="rule_rows"
    )
    direction = models.CharField(max_length=8, choices=Direction.choices)
    ip_version = models.PositiveSmallIntegerField()
    #: Neutron's name of it; ``None``: any.
    protocol = models.CharField(max_length=16, null=True, blank=True)  # noqa: DJ001  # null is "any"
    port_min = models.PositiveIntegerField(null=True, blank=True)
    port_max = models.PositiveIntegerField(null=True, blank=True)
    icmp_type = models.PositiveSmallIntegerField(null=True, blank=True)
    icmp_code = models.PositiveSmallIntegerField(null=True, blank=True)
    #: The other end; both ``None``: anywhere.
    cidr = models.CharField(max_length=MAX_CIDR, null=True, blank=True)  # noqa: DJ001  # null is "anywhere"
    remote_group = models.ForeignKey(
        SecurityGroup,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="rules_that_name_it",
    )
    #: What it lets pass, in one text: no two of a group are equal.
    key = models.CharField(max_length=200)

    objects = SecurityGroupRuleQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        constraints = (
            *NetworkResource.Meta.constraints,
            models.UniqueConstraint(
                fields=("group", "key"),
                condition=Q(deleted_at=None),
                name="rule_once_per_group",
            ),
        )

    def __str__(self) -> str:
        return self.key
