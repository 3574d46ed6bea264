"""Tokens that end, a Keystone that is away, credentials that are refused."""

import pytest
from openstack.connection import Connection

from compute import clouds
from compute.models import VM, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE
from tests.openstack.conftest import Bench, MakeVM, audit, ended, work
from tests.support.lossy_proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

TOKENS = "^POST .*auth/tokens$"


def test_a_token_that_is_revoked_in_mid_run_is_renewed(
    proxy: Proxy, admin: Connection, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    """Nova may believe in a token for a while that it has seen before, Glance has not."""
    vm = make_vm()
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    work()
    clouds.reset()  # which forgets the token
    vms.act(VM.objects.get(), "stop", actor=ALICE)
    work()
    revoked = proxy.token
    admin.identity.delete("/auth/tokens", headers={"X-Subject-Token": revoked})
    snapshots.delete(Snapshot.objects.get(), actor=ALICE)
    work()
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    assert snapshot.operation is not None
    assert snapshot.operation.attempts == 1
    vms.act(VM.objects.get(), "start", actor=ALICE)
    work()
    ended(vm, "ACTIVE")
    assert proxy.token != revoked
    audit(cloud)


def test_a_401_of_nova_is_answered_with_a_new_token(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("http.nova", status=401, times=1)
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)


def test_keystone_is_away_for_a_moment(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    clouds.reset()
    bench.fault("http.keystone", match=TOKENS, status=503, times=3)
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)


def test_credentials_that_are_refused_are_told_and_may_be_accepted_later(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    clouds.reset()
    bench.fault("http.keystone", match=TOKENS, status=401)
    vms.act(vm, "stop", actor=ALICE)
    work()
    error = ended(vm, "ACTIVE", "openstack-error")
    openstack = error["openstack"]
    assert (openstack["service"], openstack["status"]) == ("keystone", 401)
    bench.clear()
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)
