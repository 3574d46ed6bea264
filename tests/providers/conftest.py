"""What every driver's run of the contract shares.

A driver's test module gives the fixture ``cloud``, with module scope, and where its
cloud needs or has it ``wait_until``, ``break_server``, ``fail_build`` and
``foreign_server``.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from providers.contract.cloud import Cloud
from providers.mock import MockCloud
from tests.support.clock import Clock
from tests.support.contract_cloud import BreakServer, FailBuild, Lab, WaitUntil
from tests.support.contract_networks import Networking, Outlet

pytest.register_assert_rewrite("tests.providers.contract")

#: Seconds until a real cloud must have done anything the suite asks for.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def wait_until() -> WaitUntil:
    def wait(predicate: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not predicate():
            assert time.monotonic() < deadline, "the cloud did not do it in time"
            time.sleep(0.2)

    return wait


@pytest.fixture(scope="module")
def break_server() -> BreakServer | None:
    """Return what an operator does to put a server into ERROR, if anything can."""
    return None


@pytest.fixture(scope="module")
def fail_build() -> FailBuild | None:
    """Return what requests a server whose build will fail, if anything can."""
    return None


@pytest.fixture(scope="module")
def foreign_server() -> str | None:
    """Return a server of another project, if there is one."""
    return None


@pytest.fixture(scope="module")
def lab(
    cloud: Cloud,
    wait_until: WaitUntil,
    break_server: BreakServer | None,
    fail_build: FailBuild | None,
) -> Iterator[Lab]:
    lab = Lab(cloud, wait_until, break_server, fail_build)
    yield lab
    lab.clean_up()


@pytest.fixture
def net(lab: Lab) -> Iterator[Networking]:
    net = Networking(lab.cloud, lab.wait_until)
    yield net
    net.clean_up()


@pytest.fixture(scope="module")
def outlet(lab: Lab) -> Iterator[Outlet]:
    """Return a network with a way to the outside, which tests leave as it is."""
    net = Networking(lab.cloud, lab.wait_until)
    yield net.outlet("10.94.0.0/24")
    net.clean_up()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def mock_path(tmp_path: Path) -> Path:
    return tmp_path / "mock.sqlite3"


@pytest.fixture
def mock(mock_path: Path) -> MockCloud:
    """A mock cloud that ends every action at once."""
    return MockCloud(path=str(mock_path), delay="0")


@pytest.fixture
def slow_mock(mock_path: Path, clock: Clock) -> MockCloud:
    """The same cloud with delays, on a clock that the test moves."""
    return MockCloud(path=str(mock_path), clock=clock)
