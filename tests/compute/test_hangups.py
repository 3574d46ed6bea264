"""Who has hung up, as the kernel tells it of real connections."""

import os
import socket
import sys
import time
from collections.abc import Iterator

import pytest

from compute.hangups import TICK, Caller, departed, plain

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")


class Line:
    """A client's connection to the server of this process, and the server's end."""

    def __init__(self, server: socket.socket) -> None:
        self.client = socket.create_connection(server.getsockname())
        self.served, _ = server.accept()

    def ask(self) -> Caller:
        self.client.sendall(b"GET")
        self.served.recv(3)
        arrived, port = time.monotonic(), self.served.getsockname()[1]
        time.sleep(3 * TICK)
        return Caller(arrived=arrived, address="127.0.0.1", port=port)

    def answer(self) -> None:
        self.served.sendall(b"200")
        self.client.recv(3)
        time.sleep(3 * TICK)

    def close(self) -> None:
        self.client.close()
        self.served.close()


@pytest.fixture
def lines() -> Iterator[list[Line]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        lines = [Line(server) for _ in range(3)]
        yield lines
        for line in lines:
            line.close()


def test_who_is_on_the_line_has_not_hung_up(lines: list[Line]) -> None:
    callers = [line.ask() for line in lines]
    for _ in range(3):
        assert departed(callers) == []


@pytest.mark.parametrize("gone", [0, 1, 2])
@pytest.mark.parametrize("seen", [True, False])
def test_who_hangs_up_is_found(lines: list[Line], gone: int, seen: bool) -> None:
    callers = [line.ask() for line in lines]
    if seen:
        departed(callers)
    lines[gone].client.close()
    assert departed(callers) == [callers[gone]]


def test_a_connection_that_stays_open_is_known_by_each_request(
    lines: list[Line],
) -> None:
    one, two, _ = lines
    for _ in range(2):
        callers = [one.ask(), two.ask()]
        assert departed(callers) == []
        one.answer()
        assert departed(callers) == [callers[0]]
        two.answer()


def test_of_another_server_nothing_is_known(lines: list[Line]) -> None:
    caller = lines[0].ask()
    caller.port = 1
    lines[0].client.close()
    assert departed([caller]) == []


def test_looking_leaves_no_descriptors_behind(lines: list[Line]) -> None:
    callers = [line.ask() for line in lines]
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        departed(callers)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("address", "compared"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("FE80::1%eth0", "fe80::1"),
        ("", ""),
    ],
)
def test_addresses_are_compared_in_one_form(address: str, compared: str) -> None:
    assert plain(address) == compared
