"""Serve everything from one process: HTTP, admin and, without a broker, the worker."""

import errno
import gc
import ipaddress
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from compute.management.development import development_admin
from compute.management.embedded import embedded_worker
from compute.services import catalog

try:
    from daphne.management.commands.runserver import Command as DaphneRunserver
    from twisted.internet import reactor

    from compute.management.patient import PatientServer
except ModuleNotFoundError as error:  # as in the image, which has granian
    raise ImproperlyConfigured(
        f"runserver is for development and needs requirements-run.lock: {error}"
    ) from error

logger = structlog.get_logger(__name__)

#: How long to wait for the catalogue of a cloud.
CATALOGUE_SECONDS = 5.0

#: What a shell makes of a process that Ctrl-C has ended.
INTERRUPTED = 128 + signal.SIGINT

#: The embedded worker ends sooner than this.
END_SECONDS = 8.0

#: When a stop says that it waits for requests.
QUIET_SECONDS = 0.3


class Command(DaphneRunserver):  # type: ignore[misc]  # daphne is not typed
    server_cls = PatientServer
    help = "Serve the API, the admin and the docs on 127.0.0.1, worker included."

    def run(self, **options: Any) -> None:
        """Refuse in one line what would fail later, then serve."""
        _require_loopback(self.addr)
        _require_free_port(self.addr, int(self.port))
        _require_migrated()
        # The middleware serves static files in every mode.
        super().run(**{**options, "use_static_handler": False})

    def inner_run(self, *args: Any, **options: Any) -> None:
        # Only the process that serves gets here, not the reloader that watches it.
        self.check()
        if threading.current_thread() is threading.main_thread():
            _end_when_told()
        try:
            with _worker():
                self._print_banner()
                reactor.addSystemEventTrigger("before", "shutdown", self._begin_to_stop)  # type: ignore[arg-type]  # an interface of zope's, without self
                super().inner_run(*args, **options)
        except KeyboardInterrupt:
            # Not by the interpreter's own end, which may wait for threads.
            self.stdout.flush()
            os._exit(INTERRUPTED)
        # At its exit the interpreter would look for cycles in all there is, 0.4 s, and
        # find tasks of requests that nobody has asked how they ended.
        gc.freeze()

    def _begin_to_stop(self) -> None:
        """Let the next Ctrl-C end the process, and say what this one waits for."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        # Of all the stop waits for, requests alone keep the reactor running.
        reactor.callLater(
            QUIET_SECONDS,  # type: ignore[arg-type]  # as above
            self.stderr.write,
            (
                "Waiting for open requests to finish; press Ctrl-C again to stop at "
                "once."
            ),
        )

    def _print_banner(self) -> None:
        host = f"[{self.addr}]" if ":" in self.addr else self.addr
        url = f"http://{host}:{self.port}"
        account = development_admin()
        login = (
            f"  log in as {account.username} / {account.password}" if account else ""
        )
        self.stdout.write(
            f"API    {url}/api/v1/\n"
            f"docs   {url}/api/v1/docs\n"
            f"admin  {url}/admin/{login}\n"
        )
        if settings.DEBUG:
            self.stdout.write(
                "DEBUG is on: your own requests on this machine act as a demo "
                "administrator,\nwho may do everything, unless they carry a token. "
                "Do not put a tunnel in front.\n"
            )
        self.stdout.flush()  # also into a pipe or a file, and now


def _end_when_told() -> None:
    """Have a Ctrl-C end the process while it starts, wherever it is then.

    Until the reactor runs it is an exception, which may come where none is passed on.
    """
    reading, writing = os.pipe()

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        signal.signal(number, signal.SIG_DFL)
        os.write(writing, b"!")
        raise KeyboardInterrupt

    def watch() -> None:
        os.read(reading, 1)
        time.sleep(END_SECONDS)
        os._exit(INTERRUPTED)

    threading.Thread(target=watch, name="interrupt", daemon=True).start()
    signal.signal(signal.SIGINT, interrupt)


@contextmanager
def _worker() -> Iterator[None]:
    """Work beside the server unless other processes do."""
    if settings.CELERY_BROKER_URL:
        yield
        return
    with embedded_worker():
        _await_catalogues()
        yield


def _await_catalogues() -> None:
    """Wait for the flavors and images, so that the very first create finds them."""
    give_up = time.monotonic() + CATALOGUE_SECONDS
    while not catalog.loaded() and time.monotonic() < give_up:
        time.sleep(0.05)
    connections.close_all()


def _require_loopback(address: str) -> None:
    if not settings.DEBUG:
        return
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    if not loopback:
        raise CommandError(
            f"Not serving on {address}: with DEBUG=true only loopback addresses "
            "(127.0.0.1, ::1, localhost) are allowed. See README, Deploy it."
        )


def _require_free_port(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as exc:
            why = f"Cannot serve on {address}:{port}: {exc}."
            if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
                why = f"Port {port} is in use; try: PORT={port + 1} make run"
            raise CommandError(why) from exc


def _require_migrated() -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    connection.close()
    if pending:
        raise CommandError("The database is not up to date: run manage.py migrate.")
