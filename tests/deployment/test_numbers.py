"""The numbers of compose.yaml fit each other."""

import re

from tests.support.deployed import COMPOSE, ROOT, command_of, own_environment

#: What PostgreSQL takes unless it is told otherwise, without those for its superuser.
ROOM = 100 - 3
#: For commands that an operator runs meanwhile.
COMMANDS = 5


def option(service: str, name: str) -> int:
    command = command_of(service)
    return int(command[command.index(name) + 1])


def pool(service: str) -> int:
    return int(own_environment(service)["DATABASE_POOL_SIZE"])


def test_all_pools_together_fit_into_postgresql() -> None:
    (most,) = re.findall(r"`--scale worker=(\d+)` is the most", compose_text())
    pools = {
        "api": pool("api") * option("api", "--workers"),
        "stream": pool("stream"),  # one process
        "worker": pool("worker") * int(most),
    }
    assert sum(pools.values()) + COMMANDS <= ROOM
    # The beat asks the database nothing, and a command has one connection.
    served = COMPOSE["services"].keys() - {"beat", "migrate", "postgres", "redis"}
    assert pools.keys() == {name for name in served if name != "proxy"}


def test_each_thread_can_have_a_connection() -> None:
    assert pool("worker") >= option("worker", "--concurrency")
    assert pool("api") >= option("api", "--blocking-threads")


def compose_text() -> str:
    return (ROOT / "compose.yaml").read_text()
