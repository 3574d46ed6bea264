"""An answer is lost on its way, the client's or the cloud's: sent again, it is one VM."""

import json
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from providers.mock import MockCloud
from tests.support import readme

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

NEW = {"name": "web-1", "flavor": "m1.small", "image": "cirros"}


def send_and_hang_up(port: int, key: str, *, after: float) -> None:
    """Send a create that waits, and cut the connection instead of reading on."""
    body = json.dumps(NEW)
    request = (
        "POST /api/v1/vms HTTP/1.1\r\nHost: localhost\r\nPrefer: wait=20\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {key}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.encode())
        time.sleep(after)
        # Closed with a reset, as by a host that is gone.
        connection.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )


@pytest.mark.parametrize("after", [0.0, 0.5])
@pytest.mark.parametrize("cloud_answers", [True, False])
def test_a_create_whose_answer_is_lost_makes_one_vm(
    tmp_path: Path, after: float, cloud_answers: bool
) -> None:
    path = tmp_path / "cloud.sqlite3"
    cloud = MockCloud(path=str(path), delay="0")
    if not cloud_answers:
        cloud.controls.inject("servers.create", kind="lose_response")
    clouds = f"default=mock://?delay=0&path={path}"
    with readme.served(tmp_path, clouds=clouds) as (port, _):
        send_and_hang_up(port, "k1", after=after)
        answers: list[Any] = [
            requests.post(
                f"http://localhost:{port}/api/v1/vms",
                json=NEW,
                headers={"Idempotency-Key": "k1", "Prefer": "wait=30"},
                timeout=60,
            )
            for _ in range(2)
        ]
        listed = requests.get(f"http://localhost:{port}/api/v1/vms", timeout=10)
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[-1].headers["Idempotent-Replayed"] == "true"
    (vm,) = listed.json()["results"]
    assert {answer.json()["id"] for answer in answers} == {vm["id"]}
    assert vm["status"] == "ACTIVE"
    (server,) = cloud.servers.list_all()
    assert server.tags == {vm["id"]}
