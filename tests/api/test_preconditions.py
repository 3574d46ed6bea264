from collections.abc import Callable

import pytest

from compute.models import VM
from tests.support.api import Api, errors, problem
from tests.support.factories import SnapshotFactory, VMFactory


@pytest.mark.parametrize(
    "tags", ['"1"', 'W/"1"', "*", '"7", "1"', 'W/"7" , W/"1"', ' "1" ', '"x","1"']
)
def test_a_write_goes_through_when_the_version_is_one_of_those(
    api: Api, tags: str
) -> None:
    vm = VMFactory.create()
    response = api.patch(f"/vms/{vm.pk}", {"name": "new"}, If_Match=tags)
    assert (response.status_code, response.headers["ETag"]) == (200, '"2"')


@pytest.mark.parametrize("tags", ['"2"', '"x"', 'W/"0"', '""', '"99999999999999"'])
def test_a_write_is_refused_when_somebody_was_faster(api: Api, tags: str) -> None:
    vm = VMFactory.create()
    for response in (
        api.patch(f"/vms/{vm.pk}", {"name": "new"}, If_Match=tags),
        api.post(f"/vms/{vm.pk}/actions/stop", If_Match=tags),
        api.post(f"/vms/{vm.pk}/snapshots", {"name": "s"}, If_Match=tags),
        api.delete(f"/vms/{vm.pk}", If_Match=tags),
    ):
        assert problem(response, 412, "precondition-failed")["version"] == 1
    assert VM.objects.get(pk=vm.pk).version == 1


def test_a_snapshot_has_preconditions_too(api: Api) -> None:
    snapshot = SnapshotFactory.create()
    path = f"/snapshots/{snapshot.pk}"
    problem(api.patch(path, {"name": "x"}, If_Match='"9"'), 412, "precondition-failed")
    problem(api.delete(path, If_Match='"9"'), 412, "precondition-failed")
    assert api.patch(path, {"name": "x"}, If_Match='"1"').status_code == 200


@pytest.mark.parametrize("tags", ["1", '"1', '"1" "2"', "W/1", "", ","])
def test_what_is_no_list_of_tags_is_refused(api: Api, tags: str) -> None:
    vm = VMFactory.create()
    response = api.patch(f"/vms/{vm.pk}", {"name": "x"}, If_Match=tags)
    assert errors(response) == [("If-Match", "invalid")]
    response = api.get(f"/vms/{vm.pk}", If_None_Match=tags)
    assert errors(response) == [("If-None-Match", "invalid")]


@pytest.mark.parametrize("tags", ['"1"', 'W/"1"', "*", '"0", "1"'])
def test_an_unchanged_resource_is_304_without_a_body(api: Api, tags: str) -> None:
    vm = VMFactory.create()
    response = api.get(f"/vms/{vm.pk}", If_None_Match=tags)
    assert (response.status_code, response.content) == (304, b"")
    assert response.headers["ETag"] == '"1"'


def test_the_tag_moves_with_every_step_of_the_lifecycle(
    api: Api, make_vm: Callable[..., VM], drain: Callable[[], None]
) -> None:
    vm = make_vm()
    path = f"/vms/{vm.pk}"
    tags = [api.get(path).headers["ETag"]]
    tags.append(api.post(f"{path}/actions/stop", If_Match=tags[0]).headers["ETag"])
    drain()
    tags.append(api.get(path, If_None_Match=tags[1]).headers["ETag"])
    assert len(set(tags)) == 3
    # A version is checked before the state: who acts on old news learns that first.
    response = api.post(f"{path}/actions/stop", If_Match=tags[0])
    problem(response, 412, "precondition-failed")
