"""Keypairs: what is kept of a key, and the copy that a cloud has while it builds."""

import base64
import re
from importlib import import_module
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    load_ssh_private_key,
    load_ssh_public_key,
)
from django.apps import apps

from compute.engine import runner
from compute.errors import NameConflict, ResourceLimitExceeded, ValidationError
from compute.events import Actor
from compute.models import VM, Event, Keypair, Operation, Project, Quota
from compute.services import keypairs, projects, vms
from compute.services.vms.keys import PREFIX
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import Play, live
from tests.support import invariants as ledger
from tests.support.factories import ProjectFactory
from tests.support.ssh_keys import ed25519_line, private_pem

pytestmark = pytest.mark.django_db


def add(
    project: Project, public_key: str | None = None, name: str = "alice"
) -> Keypair:
    keypair, _ = keypairs.create(
        project=project, actor=ALICE, name=name, public_key=public_key
    )
    return keypair


def build(project: Project, keypair: Keypair, name: str = "web") -> VM:
    return vms.create(
        project=project,
        actor=ALICE,
        name=name,
        flavor="m1.tiny",
        image="cirros",
        keypair=keypair.name,
    )


def copies(cloud: MockCloud) -> list[str]:
    return [keypair.name for keypair in cloud.keypairs.list_all()]


# What is kept


def test_a_generated_pair_fits_and_its_private_half_is_not_kept(
    project: Project,
) -> None:
    keypair, private = keypairs.create(project=project, actor=ALICE, name="alice")
    assert private is not None
    own = load_ssh_private_key(private.encode(), password=None).public_key()
    theirs = load_ssh_public_key(keypair.public_key.encode())
    assert own == theirs
    assert keypair.type == "ssh-ed25519"
    stored = Keypair.objects.filter(pk=keypair.pk).values_list().get()
    assert not any("PRIVATE" in str(value) for value in stored)
    event = Event.objects.about("keypair", keypair.pk).get()
    assert (event.type, event.actor) == ("keypair.created", "user:alice")
    assert event.details == {"fingerprint": keypair.fingerprint}


#: With what `ssh-keygen -l` prints of them.
FINGERPRINTS = [
    (
        "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBA3VRRHj28hjEh3RMldmaF9Yt2QPiIrDo0Of7fQffKNeKKPnl+gDB50AqI+vtXHUJROQA70/Vo6Z3ZoP2suAT0k= alice at home ümlaut",
        "SHA256:qWerUJ7X0mANEXXpMC2xhdaU0MPMNDLCfOBD54XslVc",
    ),
    (
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC8Ab1OtgTuzRycUxgWmRjtFENBSGSV+37DHIw5wEgJc05YGdzt1TgJd9mnznNe0i/eGrvkrcnxLvblr+hUejvqvKM1Ezq7g0aYsYWujakWYcIz61Urvi6ra5IKcX4x0Z8+bG3WfhWPVwue6Mnb73RNRZz8DHsMd/9OfKLCg/k/qxd/3Nwsr9nGSVQypYYrP9fGh1/NIZD9ZqwUWyAlSxu2yjATuAJ8T+YdFeGzhpK84cPRvpvJHiKYOn6u2zUCa406ZyLfOo4zt30HoPdXOqnvEd6inI8UKRz+uklk+AYkB1GHNNJzUQDl+d8S/IrmPU7BevB5rIZmSMISGpAZtMgt",
        "SHA256:vIGipRhDtitEkr+HtmaUb5OOeC3BdfzyRiByJEToAWA",
    ),
    (
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIADbEoWfIiw0pC01RxSlocClQvMfZe7gzWnvmVQfb/Al x",
        "SHA256:kX3s+uFMXGN3Ms9WU9z7Lo6SnX6eY+6JFB92u9jIkZw",
    ),
]


@pytest.mark.parametrize(("line", "fingerprint"), FINGERPRINTS)
def test_a_key_is_kept_as_it_was_sent(
    project: Project, line: str, fingerprint: str
) -> None:
    keypair = add(project, line + "\n")
    assert keypair.public_key == line
    assert keypair.type == line.split(" ")[0]
    assert keypair.fingerprint == fingerprint


SECURITY_KEY = (
    "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIPmu"
    "fJYcR0lZNzUHMEsYcSQIJTWEJHKlPPJSFYYyd2ZkAAAABHNzaDo= on a token"
)


def test_a_key_on_hardware_is_taken(project: Project) -> None:
    assert add(project, SECURITY_KEY).type == "sk-ssh-ed25519@openssh.com"


def sent(type: str, *parts: bytes) -> str:
    """Return a line of that type with whatever parts (RFC 4251: each with its length)."""
    strings = (type.encode(), *parts)
    blob = b"".join(len(part).to_bytes(4) + part for part in strings)
    return f"{type} {base64.b64encode(blob).decode()}"


GOOD = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOj8FrFMwishyCVnU6qtyjTpBXaxx2Q2MRrJgLE7fsfE"
)
KIND, BLOB = GOOD.split(" ")


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ("", "cannot be blank"),
        ("hello", "must begin with the type"),
        (BLOB, "must begin with the type"),
        (f" {GOOD}", "must begin with the type"),
        (f'command="ls" {GOOD}', "must begin with the type"),
        (f"ssh-dss {BLOB}", "must begin with the type"),
        (KIND, "followed by the key in base64"),
        (f"{KIND}  {BLOB}", "followed by the key in base64"),
        (f"{KIND} {BLOB[:-3]}", "followed by the key in base64"),
        (f"{KIND} {BLOB[:-8]}", "damaged"),
        (f"{KIND} {BLOB}é", "followed by the key in base64"),
        (f"{KIND} AAAA", "damaged"),
        (f"ssh-rsa {BLOB}", "damaged: it is not of the type"),
        (f"{GOOD}\t", "one line, without control"),
        (f"{GOOD} \U0001f600", "beyond u+ffff"),
        (f"{GOOD}\n{GOOD}", "one line, without control"),
        (f"{GOOD} {'x' * 20_000}", "at most 16384 characters"),
        (private_pem(), "private key"),
        (SECURITY_KEY.replace("AAAABHNzaDo=", ""), "damaged"),
        (sent("sk-ssh-ed25519@openssh.com", bytes(31), b"ssh:"), "32 bytes long"),
        (sent("sk-ssh-ed25519@openssh.com", bytes(32), b"web:"), "damaged"),
        (sent("sk-ecdsa-sha2-nistp256@openssh.com", b"", b"", b""), "damaged"),
        (sent("ecdsa-sha2-nistp256", b"nistp256", b"\2" + bytes(32)), "uncompressed"),
        (sent("ecdsa-sha2-nistp256", b"nistp256", b""), "damaged"),
        (sent("ssh-rsa", b"\3", b"\x7f" + b"\1" * 95), "1,024 to 16,384 bits, not 767"),
        (sent("ssh-rsa", b"\3", b"\x7f" + b"\1" * 9999), "bits, not 79999"),
    ],
    ids=lambda text: text[:20],
)
def test_a_key_that_is_none_is_refused_with_the_reason(
    project: Project, wrong: str, reason: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        add(project, wrong)
    (row,) = caught.value.members["errors"]
    assert row["pointer"] == "#/public_key"
    assert reason in row["detail"].lower()
    assert not Keypair.objects.exists()


def test_a_name_is_taken_once_in_a_project_and_free_again_after_a_delete(
    project: Project,
) -> None:
    first = add(project, GOOD)
    with pytest.raises(NameConflict):
        add(project, ed25519_line())
    add(ProjectFactory.create(), GOOD)
    keypairs.delete(first, actor=ALICE)
    assert add(project, GOOD).pk != first.pk


def test_the_quota_counts_what_is_there(project: Project) -> None:
    Quota.objects.filter(project=project, resource="keypairs").update(limit=1)
    first = add(project)
    with pytest.raises(ResourceLimitExceeded):
        add(project, name="bob")
    keypairs.delete(first, actor=ALICE)
    add(project, name="bob")
    types = Event.objects.about("keypair", first.pk).values_list("type", flat=True)
    assert set(types) == {"keypair.created", "keypair.deleted"}


def test_the_migration_gives_no_quota_to_a_project_that_is_deleted() -> None:
    alive, deleted = ProjectFactory.create(), ProjectFactory.create()
    projects.delete(deleted, actor=ALICE)
    Quota.objects.filter(resource="keypairs").delete()
    migration = import_module("compute.migrations.0002_keypairs")
    migration.add_quotas(apps, None)
    having = Quota.objects.filter(resource="keypairs").values_list("project", flat=True)
    assert alive.pk in having
    assert deleted.pk not in having


# What a cloud has


def test_a_server_gets_the_key_and_the_clouds_copy_goes(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    keypair = add(project, GOOD)
    vm = build(project, keypair)
    assert (vm.keypair_name, vm.keypair) == ("alice", keypair)
    drain()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert cloud.servers.get(vm.server_id).key_name == f"{PREFIX}{vm.pk}"
    assert copies(cloud) == []
    ledger.check(cloud)


def test_by_id_also_and_not_that_of_another_project(
    catalogue: None, project: Project
) -> None:
    keypair, theirs = add(project), add(ProjectFactory.create(), name="theirs")

    def ask(reference: str) -> VM:
        return vms.create(
            project=project,
            actor=ALICE,
            name="web",
            flavor="m1.tiny",
            image="cirros",
            keypair=reference,
        )

    assert ask(str(keypair.pk)).keypair == keypair
    for reference in (str(theirs.pk), "theirs", "nobody"):
        with pytest.raises(ValidationError) as caught:
            ask(reference)
        assert caught.value.members["errors"][0]["pointer"] == "#/keypair"


def test_a_keypair_deleted_while_its_vm_waits_is_used_all_the_same(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    keypair = add(project, GOOD)
    vm = build(project, keypair)
    keypairs.delete(keypair, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.keypair_name) == ("ACTIVE", "alice")
    assert cloud.servers.get(vm.server_id).key_name is not None


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        ("keypairs.create", {"kind": "lose_response"}),
        ("keypairs.create", {"kind": "fail", "status": 503}),
        ("servers.create", {"kind": "lose_response"}),
        ("servers.create", {"kind": "fail", "status": 503}),
        ("servers.create", {"kind": "drop"}),
        ("keypairs.delete", {"kind": "lose_response"}),
    ],
)
def test_whatever_goes_wrong_once_a_copy_is_made_once_and_goes(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    call: str,
    fault: dict[str, object],
) -> None:
    keypair = add(project, GOOD)
    cloud.controls.inject(call, **fault)  # type: ignore[arg-type]  # as parametrized
    vm = build(project, keypair)
    play()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert cloud.servers.get(vm.server_id).key_name == f"{PREFIX}{vm.pk}"
    assert copies(cloud) == []
    ledger.check(cloud)


def test_a_copy_that_stayed_is_removed_by_a_pass_and_no_other(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    keypair = add(project, GOOD)
    cloud.controls.inject("keypairs.delete", kind="fail", status=503, times=0)
    vm = build(project, keypair)
    drain()
    cloud.controls.clear_faults()
    theirs = ["alice", f"{PREFIX}{keypair.pk}", f"{PREFIX}web"]
    for name in theirs:
        cloud.keypairs.create(name, GOOD, request_id="req-theirs")
    waiting = build(project, keypair, name="next")
    cloud.keypairs.create(f"{PREFIX}{waiting.pk}", GOOD, request_id="req-ours")
    assert f"{PREFIX}{vm.pk}" in copies(cloud)
    observe(full=True)
    assert set(copies(cloud)) == {*theirs, f"{PREFIX}{waiting.pk}"}
    event = Event.objects.get(type="vm.leftover_removed")
    assert (event.subject_id, event.details["kind"]) == (vm.pk, "keypair")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fail", "status": 400},
        {"kind": "fail", "status": 503, "times": 0},
        {"kind": "quota"},
    ],
    ids=str,
)
def test_a_create_that_the_cloud_refuses_leaves_no_copy(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
) -> None:
    """Not even until the next full pass: keypairs are few, and all projects' together."""
    keypair = add(project, GOOD)
    cloud.controls.inject("servers.create", **fault)
    vm = build(project, keypair)
    play()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert copies(cloud) == []


def test_a_create_that_is_cancelled_before_there_is_a_server_leaves_no_copy(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    keypair = add(project, GOOD)
    cloud.controls.inject("servers.create", kind="drop")
    vm = build(project, keypair)
    runner.run(live().pk)
    assert copies(cloud) == [f"{PREFIX}{vm.pk}"]
    runner.cancel(live(), actor=ALICE)
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert copies(cloud) == []


def test_a_full_quota_of_the_cloud_is_waited_for_unless_the_copy_is_there(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    keypair = add(project, GOOD)

    def built(name: str, *, times: int, copied: bool = False) -> VM:
        vm = build(project, keypair, name=name)
        if copied:
            cloud.keypairs.create(f"{PREFIX}{vm.pk}", GOOD, request_id="req-before")
        cloud.controls.inject("keypairs.create", kind="quota", times=times)
        play()
        cloud.controls.clear_faults()
        vm.refresh_from_db()
        return vm

    assert built("soon", times=2).status == "ACTIVE"
    assert built("there", times=0, copied=True).status == "ACTIVE"
    never = built("never", times=0)
    assert never.status == "ERROR"
    assert never.error is not None
    assert "quota" in never.error["detail"].lower()
    assert copies(cloud) == []


def test_vms_without_a_keypair_cost_no_call_more(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.reset_counts()
    vms.create(project=project, actor=ALICE, name="w", flavor="m1.tiny", image="cirros")
    drain()
    observe(full=True)
    assert not [c for c in cloud.controls.call_counts() if c.startswith("keypairs.")]


def test_a_delete_names_who_asked(project: Project) -> None:
    keypair = add(project)
    keypairs.delete(keypair, actor=Actor("user:bob", request_id="req-1"))
    event = Event.objects.get(type="keypair.deleted")
    assert (event.actor, event.request_id) == ("user:bob", "req-1")
    assert not Operation.objects.exists()
    assert re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}", keypair.fingerprint)
