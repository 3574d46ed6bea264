"""What every driver owes of servers: making, reading and deleting them."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta
from uuid import uuid4

import pytest

from providers.contract.cloud import Cloud
from providers.contract.servers import Server
from providers.errors import Conflict, Forbidden, InvalidRequest, NotFound
from tests.support.contract_cloud import (
    SMALL,
    STATES,
    Lab,
    new_request_id,
    new_tag,
)
from tests.support.provider_verbs import VERBS


def _ids(servers: list[Server]) -> list[str]:
    return [server.id for server in servers]


class CreateContract:
    def test_a_new_server_is_found_by_its_tag_at_once(self, lab: Lab) -> None:
        spec = lab.spec()
        server_id, _ = lab.request(spec)
        assert _ids(lab.cloud.servers.find(tag=spec.tag)) == [server_id]
        listed = {server.id: server for server in lab.cloud.servers.list_all()}
        assert spec.tag in listed[server_id].tags
        assert lab.cloud.servers.get(server_id).name == spec.name

    def test_a_new_server_becomes_active_as_specified(self, lab: Lab) -> None:
        spec = lab.spec()
        server_id, receipt = lab.request(spec)
        server = lab.settle(server_id, "ACTIVE")
        flavor = lab.flavor(SMALL)
        assert server.name == spec.name
        assert server.flavor_name == flavor.name
        assert server.vcpus == flavor.vcpus
        assert server.ram_mb == flavor.ram_mb
        assert server.disk_gb == flavor.disk_gb
        assert server.image_id == spec.image_id
        assert server.tags == {spec.tag}
        assert server.fault is None
        assert not server.locked
        assert server.created_at.tzinfo is UTC
        assert server.updated_at >= server.created_at
        assert server.launched_at is not None
        assert server.launched_at.tzinfo is UTC
        assert server.launched_at >= server.created_at
        lab.finish(server_id, receipt)

    def test_a_server_is_launched_when_it_is_built(self, lab: Lab) -> None:
        server_id, _ = lab.request(lab.spec())
        server = lab.cloud.servers.get(server_id)
        assert (server.launched_at is None) == (server.status == "BUILD")
        assert lab.settle(server_id, "ACTIVE").launched_at is not None

    def test_a_server_that_breaks_stays_launched(self, lab: Lab) -> None:
        server = lab.server_in("ERROR")
        assert server.launched_at is not None
        lab.put_back(server.id)

    def test_a_server_that_was_never_launched_can_only_be_deleted(
        self, lab: Lab
    ) -> None:
        server = lab.never_launched()
        assert server.fault is not None
        assert server.launched_at is None
        listed = {server.id: server for server in lab.cloud.servers.list_all()}
        assert listed[server.id].launched_at is None
        for verb in VERBS:
            if verb.permitted("ERROR"):
                with pytest.raises(Conflict):
                    verb.call(lab, server)
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)

    def test_a_server_has_an_address_of_its_own(self, lab: Lab) -> None:
        one, two = lab.create(), lab.create()
        fixed = [a for a in one.addresses if a.type == "fixed"]
        assert [a.version for a in fixed] == [4]
        assert fixed[0].mac
        assert not {a.ip for a in one.addresses} & {a.ip for a in two.addresses}

    def test_no_server_has_a_tag_that_nobody_gave(self, cloud: Cloud) -> None:
        assert cloud.servers.find(tag=new_tag()) == []

    def test_an_unknown_flavor_or_image_is_invalid(self, lab: Lab) -> None:
        for spec in (
            lab.spec(flavor_id=f"no-{uuid4()}"),
            lab.spec(image_id=str(uuid4())),
        ):
            with pytest.raises(InvalidRequest) as caught:
                lab.cloud.servers.create(spec, request_id=new_request_id())
            assert caught.value.status == 400
            assert lab.cloud.servers.find(tag=spec.tag) == []

    def test_user_data_stays_out_of_what_may_be_logged(self, lab: Lab) -> None:
        spec = lab.spec(image_id=str(uuid4()))
        assert "not-for-logs" not in repr(spec)
        with pytest.raises(InvalidRequest) as caught:
            lab.cloud.servers.create(spec, request_id=new_request_id())
        assert "not-for-logs" not in repr(caught.value)


class ReadingContract:
    def test_the_listing_has_every_server_once(self, lab: Lab) -> None:
        made = [lab.server_in("ACTIVE") for _ in range(5)]
        listed = _ids(lab.cloud.servers.list_all())
        assert set(_ids(made)) <= set(listed)
        assert len(listed) == len(set(listed))
        for server in made:
            lab.put_back(server.id)

    def test_the_newest_server_comes_first(self, lab: Lab) -> None:
        lab.create()
        listed = lab.cloud.servers.list_all()
        ages = [(server.created_at, server.id) for server in listed]
        assert ages == sorted(ages, reverse=True)

    def test_get_and_list_agree(self, lab: Lab) -> None:
        server = lab.server_in("SHUTOFF")
        listed = {server.id: server for server in lab.cloud.servers.list_all()}
        assert listed[server.id] == lab.cloud.servers.get(server.id)
        lab.put_back(server.id)

    def test_changes_since_has_what_changed_at_or_after_it(self, lab: Lab) -> None:
        server = lab.create()
        receipt = lab.cloud.servers.act(server.id, "stop", request_id=new_request_id())
        lab.finish(server.id, receipt)
        stopped = lab.settle(server.id, "SHUTOFF")
        at = stopped.updated_at
        for since in (server.updated_at, at, at + timedelta(milliseconds=900)):
            assert stopped in lab.cloud.servers.list_all(changes_since=since)
        later = lab.cloud.servers.list_all(changes_since=at + timedelta(seconds=1))
        assert server.id not in _ids(later)
        lab.put_back(server.id)

    def test_changes_since_has_the_deleted(self, lab: Lab) -> None:
        server = lab.create()
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)
        assert server.id not in _ids(lab.cloud.servers.list_all())
        changed = lab.cloud.servers.list_all(changes_since=server.updated_at)
        assert [s.status for s in changed if s.id == server.id] == ["DELETED"]

    def test_threads_share_a_provider(self, lab: Lab) -> None:
        server = lab.server_in("ACTIVE")
        with ThreadPoolExecutor(8) as pool:
            seen = list(pool.map(lab.cloud.servers.get, [server.id] * 24))
        assert seen == [server] * 24
        lab.put_back(server.id)

    def test_what_does_not_exist_is_not_found(self, lab: Lab) -> None:
        nobody = str(uuid4())
        with pytest.raises(NotFound) as caught:
            lab.cloud.servers.get(nobody)
        assert caught.value.status == 404
        with pytest.raises(NotFound):
            lab.cloud.servers.list_actions(nobody)
        with pytest.raises(NotFound):
            lab.cloud.servers.get_console_log(nobody, lines=10)
        with pytest.raises(NotFound):
            lab.cloud.servers.open_remote_console(nobody)

    def test_another_projects_server_is_neither_shown_nor_changed(
        self, cloud: Cloud, foreign_server: str | None
    ) -> None:
        """Nova says 403 until a server has a host, and 404 from then on."""
        if foreign_server is None:
            pytest.skip("nobody here has a server of another project")
        refused = pytest.raises((Forbidden, NotFound))
        assert foreign_server not in _ids(cloud.servers.list_all())
        for read in (cloud.servers.get, cloud.servers.list_actions):
            with refused:
                read(foreign_server)
        with refused:
            cloud.servers.act(foreign_server, "stop", request_id=new_request_id())
        with refused:
            cloud.servers.delete(foreign_server, request_id=new_request_id())

    def test_the_console_log_ends_with_the_lines_asked_for(self, lab: Lab) -> None:
        server = lab.server_in("ACTIVE")
        log = lab.cloud.servers.get_console_log(server.id, lines=1000)
        last = lab.cloud.servers.get_console_log(server.id, lines=2)
        assert len(last.splitlines()) <= 2
        assert log.endswith(last)
        lab.put_back(server.id)

    def test_a_server_without_a_host_has_no_console(self, lab: Lab) -> None:
        server = lab.server_in("SHELVED_OFFLOADED")
        with pytest.raises(Conflict):
            lab.cloud.servers.get_console_log(server.id, lines=10)
        with pytest.raises(Conflict):
            lab.cloud.servers.open_remote_console(server.id)
        lab.put_back(server.id)

    def test_a_remote_console_has_a_url_of_its_own_each_time(self, lab: Lab) -> None:
        server = lab.server_in("ACTIVE")
        consoles = [lab.cloud.servers.open_remote_console(server.id) for _ in range(2)]
        urls = {console.url for console in consoles if console is not None}
        assert len(urls) == 2
        assert not any(url in repr(consoles) for url in urls)
        lab.put_back(server.id)

    def test_actions_carry_the_request_ids_of_the_receipts(self, lab: Lab) -> None:
        server_id, created = lab.request(lab.spec())
        lab.settle(server_id, "ACTIVE")
        stopped = lab.cloud.servers.act(server_id, "stop", request_id=new_request_id())
        lab.settle(server_id, "SHUTOFF")
        lab.finish(server_id, stopped)
        actions = lab.cloud.servers.list_actions(server_id)
        assert [(a.action, a.request_id) for a in actions] == [
            ("stop", stopped.request_id),
            ("create", created.request_id),
        ]
        assert all(a.error is None and a.started_at.tzinfo is UTC for a in actions)
        lab.put_back(server_id)

    def test_an_unknown_action_is_not_found(self, lab: Lab) -> None:
        server = lab.server_in("ACTIVE")
        with pytest.raises(NotFound) as caught:
            lab.cloud.servers.get_action(server.id, new_request_id())
        assert caught.value.status == 404
        lab.put_back(server.id)


class DeleteContract:
    @pytest.mark.parametrize("state", STATES)
    def test_a_server_is_deleted_from_every_state(self, lab: Lab, state: str) -> None:
        server = lab.server_in(state)
        receipt = lab.cloud.servers.delete(server.id, request_id=new_request_id())
        assert receipt.request_id
        lab.wait_gone(server.id)
        assert lab.cloud.servers.list_actions(server.id)[0].action == "delete"
        with pytest.raises(NotFound):
            lab.cloud.servers.delete(server.id, request_id=new_request_id())

    def test_a_new_server_is_deleted_while_it_is_built(self, lab: Lab) -> None:
        server_id, _ = lab.request(lab.spec())

        def accepted() -> bool:
            try:
                lab.cloud.servers.delete(server_id, request_id=new_request_id())
            except NotFound:  # Nova's first moments: it can be read, not yet changed
                return False
            return True

        lab.wait_until(accepted)
        lab.wait_gone(server_id)

    def test_a_server_that_is_being_deleted_says_so_until_it_is_gone(
        self, lab: Lab
    ) -> None:
        server = lab.create()
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        seen = []

        def gone() -> bool:
            try:
                seen.append(lab.cloud.servers.get(server.id))
            except NotFound:
                return True
            return False

        lab.wait_until(gone)
        assert {s.status for s in seen if s.task_state is None} <= {"DELETED"}
        assert {s.task_state for s in seen} <= {"deleting", None}

    def test_a_repeated_delete_succeeds_until_the_server_is_gone(
        self, lab: Lab
    ) -> None:
        server = lab.create()
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        try:
            lab.cloud.servers.delete(server.id, request_id=new_request_id())
        except NotFound:
            assert server.id not in _ids(lab.cloud.servers.list_all())
        lab.wait_gone(server.id)
