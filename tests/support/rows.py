"""One row of everything that the console has a page for."""

from datetime import datetime
from typing import Any

from compute.models import Cloud, Event, User
from compute.services import keypairs, vms
from tests.conftest import ALICE
from tests.support.factories import (
    APITokenFactory,
    FlavorFactory,
    ImageFactory,
    LoginFactory,
    SnapshotFactory,
    VMFactory,
)


def _cloud(then: datetime) -> Cloud:
    cloud = Cloud.objects.create(alias="default", catalog_refreshed_at=then)
    for service, failures in (("compute", 0), ("network", 3)):
        cloud.services.create(
            service=service,
            observed_at=then,
            failures=failures,
            last_error="No route to host",
            last_error_at=then,
        )
    return cloud


def one_of_each(user: User) -> dict[str, Any]:
    """Make them, with a time wherever there can be one; return kind -> row."""
    vm = VMFactory.create(name="a-machine-with-rather-a-long-name-01")
    snapshot = SnapshotFactory.create(name="before-the-upgrade-of-everything", vm=vm)
    vms.act(vm, "stop", actor=ALICE)
    vm.refresh_from_db()
    then = vm.created_at
    keypair, _ = keypairs.create(project=vm.project, actor=ALICE, name="laptop")
    return {
        "vm": vm,
        "snapshot": snapshot,
        "keypair": keypair,
        "operation": vm.operation,
        "event": Event.objects.about("vm", vm.pk).first(),
        "project": vm.project,
        "flavor": FlavorFactory.create(vanished_at=then),
        "image": ImageFactory.create(vanished_at=then),
        "cloud": _cloud(then),
        "apitoken": APITokenFactory.create(),
        "login": LoginFactory.create(revoked_at=then),
        "user": user,
    }
