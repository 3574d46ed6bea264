"""Races for the last place, the last admin, the last use of a token; on PostgreSQL."""

from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from django.db import connection
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken

from compute.events import Actor
from compute.models import VM, Login, Membership, Project, Quota, Role, Snapshot
from compute.services import logins, projects, quotas, snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, drain_all
from tests.support import invariants as ledger
from tests.support.api import Api
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory
from tests.support.racing import at_once, kinds

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
    # The rollback keeps the project that migrate made.
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

NEW = {"name": "web", "flavor": "m1.small", "image": "cirros"}


@pytest.fixture(autouse=True)
def agreement(cloud: MockCloud, drain: Drain) -> Iterator[None]:
    """After every race: all work ends, both sides agree, and quotas are exact."""
    yield
    drain()
    ledger.check(cloud)


def limit(project: Project, **limits: int) -> None:
    for resource, amount in limits.items():
        Quota.objects.filter(project=project, resource=resource).update(limit=amount)


def test_of_forty_creates_a_quota_of_ten_lets_ten_through(
    project: Project, catalogue: None
) -> None:
    limit(project, vms=10)
    apis = [Api() for _ in range(40)]
    answers = at_once(*[partial(api.post, "/vms", NEW) for api in apis])
    assert Counter(a.status_code for a in answers) == {202: 10, 403: 30}
    refused = [a.json() for a in answers if a.status_code == 403]
    assert {body["code"] for body in refused} == {"resource-limit-exceeded"}
    assert VM.objects.count() == 10
    assert Quota.objects.get(project=project, resource="vms").used == 10


def test_creates_deletes_and_resizes_at_once_leave_the_count_exact(
    project: Project, catalogue: None
) -> None:
    made = [
        vms.create(project=project, actor=ALICE, **NEW)  # type: ignore[arg-type]  # keywords of create
        for _ in range(9)
    ]
    drain_all()
    limit(project, vcpus=14)
    calls: list[Callable[[], Any]] = []
    for vm in made[:3]:
        calls.append(partial(vms.delete, vm, actor=ALICE))
    for vm in made[3:6]:
        calls.append(partial(vms.resize, vm, flavor="m1.large", actor=ALICE))
    for vm in made[6:]:
        calls.append(partial(snapshots.create, vm, name="s", actor=ALICE))
    calls += [
        partial(vms.create, project=project, actor=ALICE, **NEW)  # type: ignore[arg-type]  # keywords of create
    ] * 6
    at_once(*calls, drain_all)
    used = Quota.objects.get(project=project, resource="vcpus").used
    assert used <= 14
    ledger.check_quotas()


def test_snapshots_race_for_the_last_place(project: Project, catalogue: None) -> None:
    made = [
        vms.create(project=project, actor=ALICE, **NEW)  # type: ignore[arg-type]  # keywords of create
        for _ in range(8)
    ]
    drain_all()
    limit(project, snapshots=3)
    results = at_once(
        *[partial(snapshots.create, vm, name="s", actor=ALICE) for vm in made]
    )
    assert kinds(results) == {"Snapshot": 3, "ResourceLimitExceeded": 5}
    assert Snapshot.objects.count() == 3


def test_a_limit_that_is_set_meanwhile_holds_from_then_on(
    project: Project, catalogue: None
) -> None:
    at_once(
        *[partial(vms.create, project=project, actor=ALICE, **NEW)] * 10,  # type: ignore[arg-type]  # keywords of create
        lambda: quotas.update(project, actor=ALICE, limits={}),
    )
    assert VM.objects.count() == 10


def test_of_two_admins_who_remove_each_other_one_stays(db: None) -> None:
    for _ in range(6):
        shop = ProjectFactory.create()
        first, second = (
            MembershipFactory.create(project=shop, role="admin").user for _ in "ab"
        )
        results = at_once(
            partial(projects.remove_member, shop, first, actor=ALICE),
            partial(projects.set_member, shop, second, role=Role.READER, actor=ALICE),
        )
        assert kinds(results)["LastAdmin"] == 1
        assert Membership.objects.filter(project=shop, role="admin").count() == 1


def test_eight_refreshes_with_one_token_get_the_same_tokens(db: None) -> None:
    user = UserFactory.create()
    tokens = logins.begin_tokens(user, actor=Actor("system"), user_agent="")
    results = at_once(
        *[partial(logins.refresh, tokens.refresh, actor=Actor("system"))] * 8
    )
    assert kinds(results) == {"Tokens": 8}
    assert all(result == results[0] for result in results)
    # Used up once, and going on as one.
    assert BlacklistedToken.objects.count() == 1
    assert Login.objects.get().revoked_at is None


def test_a_project_that_is_deleted_meanwhile_takes_nothing_new(
    catalogue: None,
) -> None:
    for _ in range(6):
        shop = ProjectFactory.create()
        results = at_once(
            partial(vms.create, project=shop, actor=ALICE, **NEW),  # type: ignore[arg-type]  # keywords of create
            partial(projects.delete, shop, actor=ALICE),
        )
        shop.refresh_from_db()
        has_vm = VM.objects.filter(project=shop).exists()
        assert has_vm == (shop.deleted_at is None), results
