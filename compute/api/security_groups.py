"""Security groups and their rules: /security-groups, /security-group-rules."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api.actions import act
from compute.api.http import filters, writes
from compute.api.http.fields import (
    Line,
    Lines,
    NoBody,
    RequestBody,
    Whole,
    Word,
)
from compute.api.networks import (
    NetworkResourceViewSet,
    ResourceCreate,
    ResourceFilter,
    ResourceUpdate,
)
from compute.bodies.networks import SECURITY_GROUP_BODY, SECURITY_GROUP_RULE_BODY
from compute.errors import NotFound
from compute.limits import MAX_DESCRIPTION
from compute.models import ResourceStatus, SecurityGroup, SecurityGroupRule
from compute.models.security_group import Direction
from compute.services import security_groups
from compute.services.rules import MAX_RULES

#: For DRF's list of bodies, which its types do not know.
MOST_RULES: Any = {"max_length": MAX_RULES}


@extend_schema_field({"type": "integer", "enum": [4, 6]})
class IPVersion(Whole):
    """4 or 6."""

    def to_internal_value(self, data: Any) -> int:
        value = super().to_internal_value(data)
        if value not in (4, 6):
            raise serializers.ValidationError("Must be 4 or 6.", code="invalid")
        return value


class Rule(RequestBody):
    """Traffic that passes; fields that are left out restrict nothing."""

    example = {
        "direction": "ingress",
        "protocol": "tcp",
        "port_min": 443,
        "port_max": 443,
        "cidr": "0.0.0.0/0",
    }

    direction = Word(choices=Direction.choices)
    ip_version = IPVersion(required=False)
    protocol = Line(
        required=False,
        allow_null=True,
        help_text="tcp, udp, icmp, …, or IANA's number of it; null: any.",
    )
    port_min = Whole(required=False, allow_null=True)
    port_max = Whole(required=False, allow_null=True)
    icmp_type = Whole(required=False, allow_null=True)
    icmp_code = Whole(required=False, allow_null=True)
    cidr = Line(required=False, allow_null=True, help_text="The other end.")
    group = Line(
        required=False,
        allow_null=True,
        help_text="The other end: VMs with this group, by its name or id.",
    )
    description = Lines(required=False, max_length=MAX_DESCRIPTION)


_SSH = {"direction": "ingress", "protocol": "tcp", "port_min": 22, "port_max": 22}


class SecurityGroupCreate(ResourceCreate):
    example = {"name": "web", "rules": [_SSH]}

    rules = Rule(many=True, required=False, **MOST_RULES)


class SecurityGroupRules(RequestBody):
    """All the rules that the group shall have."""

    example = {"rules": [_SSH]}

    rules = Rule(many=True, **MOST_RULES)


class SecurityGroupViewSet(NetworkResourceViewSet[SecurityGroup]):
    """Security groups: what may reach VMs, and what they may reach."""

    queryset = SecurityGroup.objects.none()  # its model, for the schema
    noun = "security group"
    about = "What may reach VMs, and what they may reach."
    is_in_navigation = True
    shows = SECURITY_GROUP_BODY
    filterset_class = ResourceFilter
    bodies = {
        "create": SecurityGroupCreate,
        "partial_update": ResourceUpdate,
        "destroy": NoBody,
    }

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        links = [*super().related(data)]
        if "rules" in data:
            url = reverse("security-group-rules", kwargs={"id": data["id"]})
            links.append(("Its rules", url))
        return links

    def create(self, request: Request) -> Response:
        """Create a group with some rules, beside those that let all traffic out."""
        return self.begin_create(_create)

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, description or labels."""
        return self.change_own(security_groups.update)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it, once no VM has it and no rule of another group names it."""
        return act(self, security_groups.delete)


def _create(**body: Any) -> SecurityGroup:
    return security_groups.create(rules_given=body.pop("rules", ()), **body)


class RuleFilter(filters.UpdatedFilterSet):
    id = filters.UUIDIn(help_text="These ids.")
    status = filters.ChoiceIn(ResourceStatus, help_text="These statuses.")
    security_group = filters.UUIDIn(field_name="group", help_text="Of these groups.")
    direction = filters.ChoiceIn(Direction, help_text="These directions.")
    cloud = filters.TextIn(help_text="These clouds.")
    project = filters.UUIDIn(help_text="These projects.")


class SecurityGroupRuleViewSet(NetworkResourceViewSet[SecurityGroupRule]):
    """Rules of all security groups."""

    queryset = SecurityGroupRule.objects.none()  # its model, for the schema
    noun = "security group rule"
    about = "The rules of all security groups."
    shows = SECURITY_GROUP_RULE_BODY
    filterset_class = RuleFilter
    orderings: ClassVar[Sequence[str]] = ("created_at", "updated_at")
    bodies = {"destroy": NoBody}

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        links = [*super().related(data)]
        if "security_group" in data:
            url = self.url("security-group", data["security_group"])
            links.append(("Its group", url))
        return links

    def label_of(self, row: Any) -> str:
        words = [row["direction"], f"IPv{row['ip_version']}", row["protocol"] or "any"]
        if row["port_min"] is not None:
            words.append("-".join(map(str, sorted({row["port_min"], row["port_max"]}))))
        return " ".join(words)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it."""
        return act(self, security_groups.remove_rule)


class GroupRuleViewSet(SecurityGroupRuleViewSet):
    """Rules of one security group."""

    about = ""
    http_method_names = ["get", "head", "post", "put", "delete"]
    bodies = {"create": Rule, "set_rules": SecurityGroupRules, "destroy": NoBody}
    shows_of = {"set_rules": SECURITY_GROUP_BODY}

    @property
    def permission(self) -> str:
        if self.action == "set_rules":
            return "security-group.set-rules"
        return super().permission

    def get_queryset(self) -> QuerySet[SecurityGroupRule]:
        return super().get_queryset().filter(group=self.group())

    def group(self) -> SecurityGroup:
        """Return the group of the path, or raise NotFound or PermissionDenied."""
        there = SecurityGroupViewSet.readable(
            self.access.scope("security-group.retrieve"), include_deleted=False
        )
        group: SecurityGroup | None = there.filter(pk=self.kwargs["id"]).first()
        if group is None:
            raise NotFound(f"No security group {self.kwargs['id']}.")
        is_read = self.request.method in ("GET", "HEAD")
        if not (is_read and group.is_offered):
            self.target = group
            self.permit(group.project_id)
        return group

    def create(self, request: Request, id: Any) -> Response:
        """Add a rule."""
        group, rule, actor, expect = self.group(), self.body(), self.actor, self.expect
        return writes.submit(
            self,
            lambda: security_groups.add_rule(group, rule, actor=actor, expect=expect),
            project_id=group.project_id,
            created=True,
        )

    def set_rules(self, request: Request, id: Any) -> Response:
        """Set all of them: what is missing is added, then what is beyond is removed."""
        group, body, actor, expect = self.group(), self.body(), self.actor, self.expect
        return writes.submit(
            self,
            lambda: security_groups.set_rules(
                group, body["rules"], actor=actor, expect=expect
            ),
            project_id=group.project_id,
        )

    def destroy(self, request: Request, id: Any, rule: Any = None) -> Response:
        """Delete a rule."""
        found = self.group().rule_rows.filter(pk=rule, deleted_at=None).first()
        if found is None:
            raise self.not_found(rule)
        self.body()
        actor, expect = self.actor, self.expect
        return writes.submit(
            self,
            lambda: security_groups.remove_rule(found, actor=actor, expect=expect),
            project_id=found.project_id,
        )
