"""What every driver owes of servers: the verbs that change them."""

from contextlib import suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import (
    SMALL,
    STATES,
    Lab,
    new_request_id,
    new_tag,
)
from tests.support.provider_verbs import VERBS, Verb


class VerbContract:
    @pytest.mark.parametrize("state", STATES)
    @pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
    def test_a_verb_passes_or_is_refused_as_in_nova(
        self, lab: Lab, verb: Verb, state: str
    ) -> None:
        server = lab.server_in(state)
        if verb.permitted(state):
            receipt = verb.call(lab, server)
            lab.finish(server.id, receipt)
            lab.settle(server.id, verb.end_from(state))
            newest = lab.cloud.servers.list_actions(server.id)[0]
            assert (newest.action, newest.request_id) == (
                verb.action,
                receipt.request_id,
            )
        else:
            with pytest.raises(Conflict) as caught:
                verb.call(lab, server)
            assert caught.value.status == 409
            assert server.id in caught.value.message
            # Of a shelve Nova writes the last a moment after the server rests.
            now = lab.cloud.servers.get(server.id)
            assert replace(now, updated_at=server.updated_at) == server
        if (verb.name, state) != ("resize", "SHUTOFF"):  # it would confirm to SHUTOFF
            lab.put_back(server.id)

    @pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
    def test_a_verb_finds_no_unknown_server(self, lab: Lab, verb: Verb) -> None:
        server = lab.server_in("ACTIVE")
        with pytest.raises(NotFound) as caught:
            verb.call(lab, replace(server, id=str(uuid4())))
        lab.put_back(server.id)
        assert caught.value.status == 404

    def test_a_server_that_is_being_built_refuses_actions(self, lab: Lab) -> None:
        server_id, _ = lab.request(lab.spec())
        # 404 before Nova has given it a cell, 409 while it is built.
        with suppress(NotFound, Conflict):
            lab.cloud.servers.act(server_id, "stop", request_id=new_request_id())
            lab.settle(server_id, "SHUTOFF")
        assert lab.cloud.servers.get(server_id).id == server_id


class ResizeContract:
    @pytest.mark.parametrize("state", ["ACTIVE", "SHUTOFF"])
    def test_a_confirmed_resize_keeps_the_new_size_and_the_power(
        self, lab: Lab, state: str
    ) -> None:
        server = lab.server_in(state)
        flavor = lab.larger_flavor(server)
        lab.cloud.servers.resize(
            server.id, flavor_id=flavor.id, request_id=new_request_id()
        )
        waiting = lab.settle(server.id, "VERIFY_RESIZE")
        assert waiting.flavor_name == flavor.name
        lab.cloud.servers.act(server.id, "confirm_resize", request_id=new_request_id())
        done = lab.settle(server.id, state)
        assert (done.flavor_name, done.disk_gb) == (flavor.name, flavor.disk_gb)

    def test_a_resize_needs_another_flavor_with_room_for_the_disk(
        self, lab: Lab
    ) -> None:
        server_id, _ = lab.request(lab.spec(flavor_id=lab.flavor("m1.small").id))
        lab.settle(server_id, "ACTIVE")
        for flavor_id in (
            lab.flavor("m1.small").id,
            lab.flavor(SMALL).id,
            f"no-{uuid4()}",
        ):
            with pytest.raises(InvalidRequest):
                lab.cloud.servers.resize(
                    server_id, flavor_id=flavor_id, request_id=new_request_id()
                )
        assert lab.cloud.servers.get(server_id).status == "ACTIVE"


class RebuildContract:
    def test_a_server_is_rebuilt_from_its_snapshot(self, lab: Lab) -> None:
        server, tag = lab.server_in("SHUTOFF"), new_tag()
        lab.snapshot(server, tag=tag)
        image = lab.settle_image(tag)
        lab.settle(server.id, "SHUTOFF")
        receipt = lab.cloud.servers.rebuild(
            server.id, image_id=image.id, request_id=new_request_id()
        )
        lab.finish(server.id, receipt)
        assert lab.settle(server.id, "SHUTOFF").image_id == image.id

    def test_a_rebuild_needs_a_known_image(self, lab: Lab) -> None:
        server = lab.server_in("ACTIVE")
        with pytest.raises(InvalidRequest):
            lab.cloud.servers.rebuild(
                server.id, image_id=str(uuid4()), request_id=new_request_id()
            )
        lab.put_back(server.id)
