"""A furnished service agrees with its mock clouds, and is furnished once."""

import pytest
from django.db.models import Count, Q

from compute.models import VM, Membership, Operation, Project, Quota, Snapshot, User
from compute.services import quotas, showcase
from providers.mock import MockCloud
from tests.conftest import drain_all, observe

pytestmark = pytest.mark.django_db


def test_it_is_furnished_once(
    project: Project, cloud: MockCloud, other_cloud: MockCloud
) -> None:
    assert showcase.furnish()
    counts = Project.objects.filter(name__in=showcase.PROJECTS).annotate(
        number=Count("vms", filter=Q(vms__deleted_at=None))
    )
    assert dict(counts.values_list("name", "number")) == showcase.PROJECTS
    by_cloud = dict(
        VM.objects.order_by().values_list("cloud").annotate(vms=Count("pk"))
    )
    assert by_cloud == {"default": 135, "other": 34}
    assert len(other_cloud.servers.list_all()) == by_cloud["other"]
    failed = Operation.objects.filter(status="FAILED").exclude(type="vm.create")
    assert 0 < failed.count() < Operation.objects.count() / 5
    assert set(failed.values_list("error__code", flat=True)) == {"openstack-error"}
    people = User.objects.filter(username__in=showcase.PEOPLE)
    assert people.count() == Membership.objects.values("user").distinct().count() == 6
    assert not any(person.has_usable_password() for person in people)
    assert not showcase.furnish()
    assert VM.objects.count() == sum(showcase.PROJECTS.values())


def test_quotas_are_true_and_one_is_all_but_full(
    project: Project, cloud: MockCloud, other_cloud: MockCloud
) -> None:
    showcase.furnish()
    full = Quota.objects.get(project__name=showcase.FULL, resource="vms")
    assert (full.used, full.limit) == (19, 20)
    for owner in Project.objects.filter(name__in=showcase.PROJECTS):
        before = [(row.resource, row.used) for row in quotas.of(owner)]
        quotas.recount(owner)
        assert [(row.resource, row.used) for row in quotas.of(owner)] == before


def test_what_it_left_to_the_worker_is_done(
    project: Project, cloud: MockCloud, other_cloud: MockCloud
) -> None:
    showcase.furnish()
    assert Operation.objects.live().count() == showcase.SNAPSHOTS
    observe(full=True)
    drain_all()
    assert Snapshot.objects.filter(status="AVAILABLE").count() == showcase.SNAPSHOTS
    assert not VM.objects.filter(status="ERROR", error=None).exists()
