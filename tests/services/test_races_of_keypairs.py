"""Races for keypairs, with real threads on PostgreSQL."""

from collections import Counter
from functools import partial

import pytest
from django.db import connection

from compute.errors import NotFound
from compute.models import VM, Keypair, Project
from compute.models.kinds import in_use
from compute.services import keypairs, projects, quotas, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.support import invariants as ledger
from tests.support.api import Api
from tests.support.factories import ProjectFactory
from tests.support.racing import at_once, kinds

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
    # The rollback keeps the project that migrate made.
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

ROUNDS = 25
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOj8FrFMwishyCVnU6qtyjTpBXaxx2Q2MRrJgLE7fsfE"


def add(project: Project, name: str = "alice") -> Keypair:
    return keypairs.create(project=project, actor=ALICE, name=name, public_key=KEY)[0]


def agrees(project: Project) -> None:
    used = {quota.resource: quota.used for quota in quotas.of(project)}
    assert used == {str(name): number for name, number in in_use(project).items()}


def test_of_thirty_posts_of_one_name_one_gets_201_and_the_others_409() -> None:
    body = {"name": "alice", "public_key": KEY}
    answers = at_once(*[lambda: Api().post("/keypairs", body)] * 30)
    assert Counter(a.status_code for a in answers) == {201: 1, 409: 29}
    agrees(Project.objects.default())


def test_a_keypair_is_deleted_while_one_of_its_name_is_made() -> None:
    project = Project.objects.default()
    for number in range(ROUNDS):
        old = add(project, f"key-{number}")
        made, deleted = at_once(
            partial(add, project, old.name), partial(keypairs.delete, old, actor=ALICE)
        )
        assert type(deleted) is Keypair
        assert type(made).__name__ in ("Keypair", "NameConflict")
        agrees(project)


def test_of_ten_deletes_one_succeeds() -> None:
    project = Project.objects.default()
    key = add(project)
    results = at_once(*[lambda: keypairs.delete(key, actor=ALICE)] * 10)
    assert kinds(results) == {"Keypair": 1, "NotFound": 9}
    agrees(project)


def test_a_project_is_deleted_while_a_keypair_is_made() -> None:
    for _ in range(ROUNDS):
        project = ProjectFactory.create()
        made, deleted = at_once(
            partial(add, project), partial(projects.delete, project, actor=ALICE)
        )
        if type(made) is Keypair:
            assert type(deleted).__name__ == "ResourceInUse"
        else:
            assert isinstance(made, NotFound)
            assert deleted is None


def test_a_keypair_is_deleted_while_a_vm_is_made_with_it(
    cloud: MockCloud, catalogue: None, drain: Drain
) -> None:
    project = Project.objects.default()
    for number in range(8):
        key = add(project, f"key-{number}")

        build = partial(
            vms.create,
            project=project,
            actor=ALICE,
            name="web",
            flavor="m1.tiny",
            image="cirros",
            keypair=key.name,
        )
        made, deleted = at_once(build, partial(keypairs.delete, key, actor=ALICE))
        assert type(deleted) is Keypair
        assert type(made).__name__ in ("VM", "ValidationError")
        drain()
        for vm in VM.objects.alive():
            vms.delete(vm, actor=ALICE)
        drain()
        agrees(project)
    ledger.check(cloud)
    assert cloud.keypairs.list_all() == []
