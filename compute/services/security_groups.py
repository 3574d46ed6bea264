"""Security groups and their rules: what can be asked of them, and how it is done."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction

from compute.engine import queue
from compute.engine.work import Again, Answer, Done, End
from compute.errors import RuleExists
from compute.events import Actor
from compute.expected import Expect
from compute.models import (
    VM,
    Operation,
    OperationType,
    Project,
    ResourceStatus,
    SecurityGroup,
    SecurityGroupRule,
)
from compute.services import rows, rules
from compute.services.allowed_clouds import cloud_of
from compute.services.resources import ends, requests
from compute.services.resources.calls import (
    create_once,
    delete_once,
    give_up,
    given_up,
    marker_of,
)
from compute.services.resources.ends import Held
from compute.services.resources.requests import invalid
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.security_groups import SecurityGroup as CloudGroup
from providers.errors import ProviderError

#: Neutron gives a new group these two.
_DEFAULT_RULES = (
    {"direction": "egress", "ip_version": 4},
    {"direction": "egress", "ip_version": 6},
)


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    cloud: str | None = None,
    rules_given: Sequence[Mapping[str, Any]] = (),
    description: str = "",
    labels: Mapping[str, str] | None = None,
) -> SecurityGroup:
    """Ask for a security group with some rules, beside those that let all traffic out.

    Raises ValidationError and ResourceLimitExceeded.
    """
    alias = cloud_of(project, cloud)
    if name.lower() == "default":
        raise invalid("#/name", "reserved", "Every cloud has a group of that name.")
    with transaction.atomic():
        group = SecurityGroup(
            project=project,
            cloud=alias,
            name=name,
            description=description,
            labels=dict(labels or {}),
        )
        given = rules.build_all(group, rules_given)
        keys = {rule.key for rule in given}
        own = (rules.build(group, rule, pointer="#/rules") for rule in _DEFAULT_RULES)
        made = [*given, *(rule for rule in own if rule.key not in keys)]
        requests.create(
            OperationType.SECURITY_GROUP_CREATE,
            [group, *made],
            actor=actor,
        )
    group.guarded_vms = 0  # what the answer shows, known while it can be
    return group


def update(
    group: SecurityGroup,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
) -> SecurityGroup:
    """Change what is ours alone: name, description, labels."""
    name = changes.get("name", "")
    if isinstance(name, str) and name.lower() == "default":
        raise invalid("#/name", "reserved", "Every cloud has a group of that name.")
    with transaction.atomic():
        group = requests.update(group, actor=actor, changes=changes, expect=expect)
        _ = group.guarded_vms  # read while it can fail: the answer shows it
    return group


def add_rule(
    group: SecurityGroup,
    rule: Mapping[str, Any],
    *,
    actor: Actor,
    expect: Expect = None,
) -> SecurityGroupRule:
    """Ask for one more rule. Raises RuleExists, naming the one that is equal."""
    with transaction.atomic():
        group = rows.lock(group)
        requests.check_changeable(group, expect=expect)
        made = rules.build(group, rule, pointer="#")
        equal = group.rule_rows.filter(key=made.key, deleted_at=None).first()
        if equal is not None and equal.status == ResourceStatus.ERROR:
            rules.drop(rows.lock(equal), group, actor=actor)
        elif equal is not None:
            raise RuleExists(
                f"The group has this rule already: {equal}.", rule_id=str(equal.pk)
            )
        requests.create(
            OperationType.SECURITY_GROUP_RULE_CREATE,
            [made],
            actor=actor,
            related=group,
        )
    return made


def remove_rule(
    rule: SecurityGroupRule, *, actor: Actor, expect: Expect = None
) -> SecurityGroupRule:
    """Ask for a rule to go."""
    with transaction.atomic():
        group = SecurityGroup.objects.get(rule_rows=rule.pk)
        rule, group = requests.lock_all([rule, group])
        requests.check_deletable(rule, expect=expect)
        requests.begin(
            OperationType.SECURITY_GROUP_RULE_DELETE,
            rule,
            rule.remove,
            actor=actor,
            related=group,
        )
    return rule


def set_rules(
    group: SecurityGroup,
    declared: Sequence[Mapping[str, Any]],
    *,
    actor: Actor,
    expect: Expect = None,
) -> SecurityGroup:
    """Ask for exactly these rules: what is missing is added, what is beyond removed.

    The new ones come first, so that what was allowed and stays allowed always is.
    """
    with transaction.atomic():
        group, own = _lock_with_rules(group)
        requests.check_changeable(group, expect=expect)
        wanted = {rule.key: rule for rule in rules.build_all(group, declared)}
        known = {}
        for rule in own:
            if rule.status == ResourceStatus.ERROR:
                rules.drop(rule, group, actor=actor)
            else:
                known[rule.key] = rule
        added = [rule for key, rule in wanted.items() if key not in known]
        removed = [rule for key, rule in known.items() if key not in wanted]
        for rule in removed:
            queue.check_free(rule)
            rule.remove()
        requests.begin(
            OperationType.SECURITY_GROUP_SET_RULES,
            group,
            group.change,
            actor=actor,
            adds=added,
            holds=removed,
        )
        _ = group.guarded_vms  # read while it can fail: the answer shows it
    return group


def _lock_with_rules(
    group: SecurityGroup,
) -> tuple[SecurityGroup, list[SecurityGroupRule]]:
    """Lock a group, and then the rules it has now: that is the order of all locks."""
    (locked,) = requests.lock_all([group])
    return locked, requests.lock_all(locked.rule_rows.filter(deleted_at=None))


def delete(
    group: SecurityGroup, *, actor: Actor, expect: Expect = None
) -> SecurityGroup:
    """Ask for a group to go.

    Raises ResourceInUse while a VM has it, or a rule of another group names it, which
    Neutron would remove with it.
    """
    with transaction.atomic():
        group, own = _lock_with_rules(group)
        requests.check_deletable(group, expect=expect)
        _refuse_in_use(group)
        for rule in own:
            queue.check_free(rule)
            rule.remove()
        requests.begin(
            OperationType.SECURITY_GROUP_DELETE,
            group,
            group.remove,
            actor=actor,
            holds=own,
        )
        _ = group.guarded_vms  # as above
    return group


def _refuse_in_use(group: SecurityGroup) -> None:
    vms = VM.objects.filter(
        ports__security_groups=group, ports__deleted_at=None
    ).distinct()
    requests.refuse_in_use(
        group,
        list(vms),
        way_out=(
            "Give them other groups first: POST /vms/{id}/actions/set-security-groups."
        ),
    )
    naming = SecurityGroup.objects.alive().filter(
        rule_rows__remote_group=group, rule_rows__deleted_at=None
    )
    requests.refuse_in_use(
        group,
        list(naming.exclude(pk=group.pk).distinct()),
        way_out="Remove their rules first: DELETE /security-groups/{id}/rules/{id}.",
    )


# How it is done


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Make the group and its rules, or undo what was made."""
    group = SecurityGroup.objects.get(pk=operation.target_id)
    if end := given_up(operation):
        return _delete(operation, cloud, group) or end

    def create(request_id: str) -> Receipt:
        return cloud.security_groups.create(
            group.name, marker=marker_of(group), request_id=request_id
        )

    try:
        again = create_once(
            operation,
            cloud,
            group,
            "security_groups.create",
            find=cloud.security_groups.find,
            create=create,
        )
        again = again or _add(operation, cloud, group)
    except ProviderError as error:
        return give_up(operation, error)
    return again or Done(seen=cloud.security_groups.get(group.provider_id))


def _add(operation: Operation, cloud: Cloud, group: SecurityGroup) -> Again | None:
    """Add the rules of a group that the cloud lacks."""
    missing = list(group.rule_rows.filter(deleted_at=None, provider_id=""))
    if not missing:
        return None
    there = cloud.security_groups.get(group.provider_id)
    named = SecurityGroup.objects.filter(
        cloud=group.cloud, provider_id__in={rule.group_id for rule in there.rules}
    )
    ours = dict(named.values_list("provider_id", "pk"))
    by_key = {
        rules.key_of(rule, ours.get(rule.group_id or "")): rule.id
        for rule in there.rules
    }
    for rule in missing:
        if rule.key in by_key:
            # Neutron's own, or of an attempt before this one.
            rule.provider_id = by_key[rule.key]
            rule.save(update_fields=["provider_id"])
            continue
        again = _create_rule(operation, cloud, group, rule)
        if again is not None:
            return again
    return None


def _create_rule(
    operation: Operation, cloud: Cloud, group: SecurityGroup, rule: SecurityGroupRule
) -> Again | None:
    def create(request_id: str) -> Receipt:
        spec = rules.spec(rule, group, marker=marker_of(rule))
        return cloud.security_groups.create_rule(spec, request_id=request_id)

    return create_once(
        operation,
        cloud,
        rule,
        "security_groups.create_rule",
        find=partial(_find_rule, cloud, group),
        create=create,
    )


def _find_rule(cloud: Cloud, group: SecurityGroup, *, marker: str) -> list[Any]:
    there = cloud.security_groups.get(group.provider_id)
    return [thing for thing in there.rules if thing.marker == marker]


def _delete_rule(
    operation: Operation, cloud: Cloud, rule: SecurityGroupRule
) -> Again | None:
    return delete_once(
        operation,
        cloud,
        rule,
        "security_groups.delete_rule",
        created_by="security_groups.create_rule",
        find=partial(_find_rule, cloud, rule.group),
        delete=cloud.security_groups.delete_rule,
    )


def perform_create_rule(operation: Operation, cloud: Cloud) -> Answer:
    rule = SecurityGroupRule.objects.select_related("group", "remote_group").get(
        pk=operation.target_id
    )
    again = _create_rule(operation, cloud, rule.group, rule)
    return again or Done()


def perform_delete_rule(operation: Operation, cloud: Cloud) -> Answer:
    rule = SecurityGroupRule.objects.select_related("group").get(pk=operation.target_id)
    return _delete_rule(operation, cloud, rule) or Done()


def perform_set_rules(operation: Operation, cloud: Cloud) -> Answer:
    """Add, then remove; where an addition fails, undo those before it."""
    group = SecurityGroup.objects.get(pk=operation.target_id)
    held = group.rule_rows.filter(operation=operation).select_related("group")
    if end := given_up(operation):
        for rule in held.filter(status=ResourceStatus.CREATING).exclude(provider_id=""):
            _delete_rule(operation, cloud, rule)
        return end
    try:
        again = _add(operation, cloud, group)
    except ProviderError as error:
        return give_up(operation, error)
    if again is not None:
        return again
    for rule in held.filter(status=ResourceStatus.DELETING):
        _delete_rule(operation, cloud, rule)
    return Done()


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    group = SecurityGroup.objects.get(pk=operation.target_id)
    return _delete(operation, cloud, group) or Done()


def _delete(operation: Operation, cloud: Cloud, group: SecurityGroup) -> Again | None:
    # Its rules go with it.
    return delete_once(
        operation,
        cloud,
        group,
        "security_groups.delete",
        created_by="security_groups.create",
        find=cloud.security_groups.find,
        delete=cloud.security_groups.delete,
    )


# How it ends


def apply_seen(operation: Operation, held: Held, end: End) -> None:
    """Show the rules that a group has now."""
    (group,) = ends.of(held, SecurityGroup)
    if isinstance(end, Done) and isinstance(end.seen, CloudGroup):
        group.stateful = end.seen.stateful
    rules.list_on(group, *ends.of(held, SecurityGroupRule))


settle = partial(ends.settle, apply=apply_seen)
