"""The mock keeps the contract: without delays, and with delays and tiny pages."""

from pathlib import Path

import pytest

from providers.mock import MockCloud, SeedServer
from tests.providers.contract.cloud import CloudContract
from tests.support.clock import Clock
from tests.support.contract_cloud import BreakServer, FailBuild, Lab, WaitUntil
from tests.support.mock_servers import FLAVOR_ID, IMAGE_ID


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module", params=["instant", "delayed"])
def cloud(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    clock: Clock,
) -> MockCloud:
    path = str(tmp_path_factory.mktemp("cloud") / "mock.sqlite3")
    if request.param == "instant":
        return MockCloud(path=path, delay="0")
    return MockCloud(path=path, page_size="2", clock=clock)


@pytest.fixture(scope="module")
def wait_until(clock: Clock) -> WaitUntil:
    return clock.advance_until


@pytest.fixture(scope="module")
def break_server(cloud: MockCloud) -> BreakServer:
    def put_into_error(server_id: str) -> None:
        cloud.controls.poke(server_id, status="ERROR", fault="The host lost its disk.")

    return put_into_error


@pytest.fixture(scope="module")
def fail_build(cloud: MockCloud) -> FailBuild:
    def request(lab: Lab) -> str:
        cloud.controls.inject("servers.create", kind="build_error")
        server_id, _ = lab.request(lab.spec())
        return server_id

    return request


@pytest.fixture(scope="module")
def foreign_server(cloud: MockCloud) -> str:
    server = SeedServer(
        "somebody-elses", FLAVOR_ID["m1.tiny"], IMAGE_ID["cirros"], project="other"
    )
    return cloud.controls.seed([server])[0]


class TestMockCloud(CloudContract):
    """Every test is inherited."""


def test_options_are_checked_by_name(tmp_path: Path) -> None:
    path = str(tmp_path / "mock.sqlite3")
    with pytest.raises(ValueError, match="'colour'"):
        MockCloud(path=path, colour="red")
    with pytest.raises(ValueError, match="'delay'"):
        MockCloud(path=path, delay="-1")
    with pytest.raises(ValueError, match="'page_size'"):
        MockCloud(path=path, page_size="0")
    with pytest.raises(ValueError, match="'quota'"):
        MockCloud(path=path, quota="many")
