"""What every driver owes of networks."""

from uuid import uuid4

import pytest

from providers.contract.cloud import Cloud
from providers.errors import NotFound
from tests.support.contract_cloud import (
    Lab,
    new_request_id,
)


class NetworkContract:
    def test_a_server_has_a_port_that_goes_with_it(self, lab: Lab) -> None:
        server = lab.create()
        assert lab.ports_of(server.id)
        lab.cloud.servers.delete(server.id, request_id=new_request_id())
        lab.wait_gone(server.id)
        assert not lab.ports_of(server.id)

    def test_an_unknown_port_is_not_found(self, cloud: Cloud) -> None:
        with pytest.raises(NotFound) as caught:
            cloud.ports.delete(str(uuid4()), request_id=new_request_id())
        assert (caught.value.service, caught.value.status) == ("neutron", 404)
