"""Serve everything from one process: HTTP, admin and, without a broker, the worker."""

import ipaddress
import socket
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog
from daphne.management.commands.runserver import Command as DaphneRunserver
from django.conf import settings
from django.core.management.base import CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.executor import MigrationExecutor

from compute.management.development import development_admin
from compute.management.embedded import EmbeddedWorker
from compute.services import catalog

logger = structlog.get_logger(__name__)


class Command(DaphneRunserver):  # type: ignore[misc]  # daphne is not typed
    help = "Serve the API, the admin and the docs on 127.0.0.1, worker included."

    def run(self, **options: Any) -> None:
        """Refuse in one line what would fail later, then serve."""
        _require_loopback(self.addr)
        _require_free_port(self.addr, int(self.port))
        _require_migrated()
        super().run(**options)

    def inner_run(self, *args: Any, **options: Any) -> None:
        # Only the process that serves gets here, not the reloader that watches it.
        catalog.refresh_all()
        self._print_banner()
        with _worker():
            super().inner_run(*args, **options)

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
            "Requests are not authenticated yet, so this server answers on loopback only.\n"
        )
        self.stdout.flush()  # also into a pipe or a file, and now


def _worker() -> AbstractContextManager[object]:
    return nullcontext() if settings.CELERY_BROKER_URL else EmbeddedWorker()


def _require_loopback(address: str) -> None:
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        loopback = address == "localhost"
    if not loopback:
        raise CommandError(
            f"Not serving on {address}: requests are not authenticated yet, "
            "so only loopback addresses (127.0.0.1, ::1, localhost) are allowed."
        )


def _require_free_port(address: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except (OSError, OverflowError) as exc:
            raise CommandError(f"Cannot serve on {address}:{port}: {exc}.") from exc


def _require_migrated() -> None:
    connection = connections[DEFAULT_DB_ALIAS]
    executor = MigrationExecutor(connection)
    pending = executor.migration_plan(executor.loader.graph.leaf_nodes())
    connection.close()
    if pending:
        raise CommandError("The database is not up to date: run manage.py migrate.")
