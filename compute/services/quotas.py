"""Quotas: reserved in the transaction that makes or enlarges something, given back
in the one that ends it. So no two requests pass by one free place, and none leaks.
"""

from collections.abc import Collection, Mapping
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.db.models import Case, F, IntegerField, Value, When

from compute import events
from compute.errors import NotFound, ResourceLimitExceeded
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import Project, Quota, Resource, subjects
from compute.models.kinds import in_use
from compute.models.quota import default_limit
from compute.services import fields

#: Resource -> how much of it.
Amounts = Mapping[Resource, int]


def require_known_resources() -> None:
    """Raise ImproperlyConfigured if DEFAULT_QUOTAS names an unknown resource."""
    for name in sorted(settings.DEFAULT_QUOTAS.keys() - set(Resource.values)):
        raise ImproperlyConfigured(
            f"DEFAULT_QUOTAS: {name!r} is not one of {', '.join(Resource.values)}"
        )


def open_for(project: Project) -> None:
    """Give a new project its quotas, with the limits of the settings."""
    limits = settings.DEFAULT_QUOTAS
    Quota.objects.bulk_create(
        Quota(project=project, resource=resource, limit=limits.get(resource.value))
        for resource in Resource
    )


def reserve(project_id: UUID, amounts: Amounts) -> None:
    """Count something that is about to be, in its own transaction, or refuse it.

    Raises ResourceLimitExceeded with limit, used and requested, and NotFound when the
    project was deleted meanwhile. The rows stay locked to the end of the transaction.
    Call it after the VM's lock and before the first event: one lock order.
    """
    wanted = {resource: amount for resource, amount in amounts.items() if amount > 0}
    rows = _lock(project_id, wanted)
    if len(rows) < len(wanted):
        _add_missing(project_id, wanted.keys() - {row.resource for row in rows})
        rows = _lock(project_id, wanted)
    for row in rows:
        requested = wanted[Resource(row.resource)]
        if row.limit is not None and row.used + requested > row.limit:
            raise ResourceLimitExceeded(
                f"The project's quota of {row.resource} is {row.limit}; {row.used} are "
                f"used and {requested} more were requested.",
                resource=row.resource,
                limit=row.limit,
                used=row.used,
                requested=requested,
            )
    _add(project_id, wanted)


def _add_missing(project_id: UUID, resources: Collection[str]) -> None:
    """Give a project quotas of what was not counted when it was made.

    The project's lock waits for a delete of it. Raises NotFound once it is deleted.
    """
    alive = Project.objects.alive().select_for_update(no_key=True)
    project = alive.filter(pk=project_id).first()
    if project is None:
        raise NotFound("No such project.")
    Quota.objects.bulk_create(
        (
            Quota(project=project, resource=name, limit=default_limit(project, name))
            for name in resources
        ),
        ignore_conflicts=True,
    )


def of(project: Project) -> list[Quota]:
    """Return the quotas of a project, of what it has none yet with the default."""
    return Quota.objects.of(project)[project.pk]


def close_for(project: Project) -> None:
    """Take away a project's quotas: from here on nothing new fits in.

    Call it before the project is locked and looked into, in one transaction: who is
    reserving meanwhile is waited for, who comes later is refused.
    """
    _lock(project.pk, Resource)
    Quota.objects.filter(project=project).delete()


def _lock(project_id: UUID, resources: Collection[Resource]) -> list[Quota]:
    # In one order always: an UPDATE locks its rows in whatever order it finds them.
    return list(
        Quota.objects.select_for_update(no_key=True)
        .filter(project=project_id, resource__in=resources)
        .order_by("resource")
    )


def count(project_id: UUID, amounts: Amounts) -> None:
    """Count what is there, or (below zero) no longer is; nothing is refused."""
    changed = {resource: amount for resource, amount in amounts.items() if amount}
    if not changed:
        return
    rows = _lock(project_id, changed)
    missing = changed.keys() - {row.resource for row in rows}
    if any(changed[Resource(name)] > 0 for name in missing):
        _add_missing(project_id, missing)
    _add(project_id, changed)


def _add(project_id: UUID, changed: Amounts) -> None:
    if not changed:
        return
    Quota.objects.filter(project=project_id, resource__in=changed).update(
        used=F("used")
        + Case(
            *(When(resource=r, then=Value(n)) for r, n in changed.items()),
            output_field=IntegerField(),
        )
    )


def settle(project_id: UUID, *, before: Amounts, after: Amounts) -> None:
    """Count the difference between what something took and what it takes now."""
    count(
        project_id,
        {
            resource: after.get(resource, 0) - before.get(resource, 0)
            for resource in Resource
        },
    )


def recount(project: Project) -> None:
    """Count a project's rows again, for what was written without its services."""
    with transaction.atomic():
        _lock(project.pk, Resource)
        for resource, used in in_use(project).items():
            Quota.objects.filter(project=project, resource=resource).update(used=used)


def update(
    project: Project,
    *,
    actor: Actor,
    limits: Mapping[Resource, int | None],
    expect: Expect = None,
) -> list[Quota]:
    """Set limits, and return them all; one below what is used removes nothing."""
    with transaction.atomic():
        # All of them: what is expected is expected of the whole.
        rows = _lock(project.pk, Resource)
        if len(rows) < len(Resource):
            _add_missing(
                project.pk, {*Resource.values} - {row.resource for row in rows}
            )
            rows = _lock(project.pk, Resource)
        check_expected(rows, expect)
        changed = {}
        for row in rows:
            limit = limits.get(Resource(row.resource), row.limit)
            if row.limit != limit:
                changed[row.resource] = [row.limit, limit]
                row.limit = limit
                fields.check(row, "limit", pointer=f"#/{row.resource}/{{}}")
                row.save(update_fields=["limit"])
        if changed:
            events.record(
                "quota.updated",
                actor=actor,
                subject=subjects.quota_of(project),
                changes=changed,
            )
        return of(project)
