"""The server that runs this process: its threads, and how it stops."""

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from django.core.exceptions import ImproperlyConfigured

SIGNALS = (signal.SIGTERM, signal.SIGINT)


def is_granian() -> bool:
    program = Path(sys.argv[0])
    return program.name == "granian" or program.parts[-2:] == ("granian", "__main__.py")


def has_loop() -> bool:
    """Return whether the server is one whose loop runs the application; not runserver."""
    return is_granian() or Path(sys.argv[0]).name == "uvicorn"


def threads() -> int | None:
    """Return how many threads serve requests; ``None``: each request has its own.

    That is so under ASGI. granian's WSGI has a fixed number, and granian's own parser
    reads it here: a second variable could say something else.
    """
    if not is_granian():
        return None
    from granian.constants import Interfaces

    given = _given()
    if given["interface"] != Interfaces.WSGI:
        return None
    backpressure: int = given["backpressure"] or given["backlog"] // given["workers"]
    return int(given["blocking_threads"] or max(1, backpressure // 2))


def _given() -> dict[str, Any]:
    """Return granian's options: given to it, from its environment, or its defaults."""
    from granian.cli import cli

    context = cli.make_context("granian", sys.argv[1:], auto_envvar_prefix="GRANIAN")
    return context.params


App = TypeVar("App")


def start(make: Callable[[], App]) -> App:
    """Return Django's application, with everything made that its first requests need.

    Many come at once, and what they would make for themselves, in many threads, is not
    always made for that.
    """
    try:
        application = make()
        from vmmanager import warm

        warm.up()
        # What is made by now stays: the collector need not look through it again.
        gc.collect()
        gc.freeze()
    except ImproperlyConfigured as error:
        if not is_granian():
            raise
        sys.stderr.write(f"vmmanager: {error}\n")
        sys.stderr.flush()
        if _given()["respawn_failed_workers"]:
            # What is impossible stays so, and granian sees no end of two workers that
            # fail in turns: it would start them again, and again.
            os.kill(os.getppid(), signal.SIGTERM)
        sys.exit(1)
    return application


def before_stop() -> None:
    """Have waits end when the process is told to stop: the server waits for them.

    For a server without a loop, which sets its handlers after this: Python writes the
    number of each signal it handles to this socket.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        with writing:  # stays open for as long as this thread lives
            while reading.recv(1)[0] not in SIGNALS:
                pass
        end_waits()

    threading.Thread(target=listen, name="stop", daemon=True).start()


def before_stop_of_loop() -> None:
    """Do as `before_stop` for a server with a loop, from the loop's own thread.

    Its handlers are set by now, and it needs the socket for itself.
    """
    for number in SIGNALS:
        signal.signal(number, _ending_waits(signal.getsignal(number)))


def _ending_waits(then: Any) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        end_waits()
        if callable(then):
            then(number, frame)

    return handle


def end_waits() -> None:
    """End what waits, with the answer that there is by now."""
    from compute.engine import waiting

    waiting.end_all()


if is_granian():
    # A worker is forked, and until it has handlers of its own those of its parent swallow
    # a signal: the parent would wait for it indefinitely. Here, as this is imported first.
    for _number in SIGNALS:
        signal.signal(_number, signal.SIG_DFL)
