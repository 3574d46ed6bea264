"""How beat ends when it is told to."""

import os
import subprocess
import sys

import pytest

from tests.support.deployed import ROOT, new_virtual_host

#: Beat, told to end in the middle of sending a message.
INTERRUPTED = """
import os, signal
from amqp.transport import _AbstractTransport as Transport
from vmmanager.celery import app

write = Transport.write

def interrupted(transport, frame):
    if b"compute.tasks.tick" in bytes(frame):
        os.kill(os.getpid(), signal.SIGTERM)
    write(transport, frame)

Transport.write = interrupted
app.Beat().run()
"""


@pytest.mark.once
@pytest.mark.broker
def test_beat_ends_when_the_signal_interrupts_a_message() -> None:
    with new_virtual_host() as url:
        ended = subprocess.run(  # noqa: S603  # our own script
            [sys.executable, "-c", INTERRUPTED],
            cwd=ROOT,
            env={**os.environ, "CELERY_BROKER_URL": url},
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
