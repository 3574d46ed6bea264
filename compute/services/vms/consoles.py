"""The consoles of a VM: the reads that ask the cloud while somebody waits."""

from collections.abc import Callable
from typing import TypeVar

from django.db import transaction

from compute import clouds, database, events, places
from compute.cloud_errors import from_provider
from compute.errors import CloudBusy, ConsoleNotOffered
from compute.events import Actor
from compute.models import VM
from compute.services.vms.requests import not_allowed
from providers.contract.servers import RemoteConsole, Servers
from providers.errors import Conflict, ProviderError

T = TypeVar("T")

#: The time a cloud has for what somebody waits for, with a thread of the API.
TIMEOUT = 5.0


def console_log(vm: VM, *, lines: int, actor: Actor) -> str:
    """Return the last lines of the serial console.

    Raises InvalidTransition for a VM that has no server to ask, and CloudBusy when as
    many as may wait for the cloud at a time do.
    """
    return _ask(
        vm,
        actor,
        lambda servers: servers.get_console_log(
            vm.server_id, lines=lines, timeout=TIMEOUT
        ),
    )


def remote_console(vm: VM, *, actor: Actor) -> RemoteConsole:
    """Return a way to the screen of a VM, which lets in whoever has its URL; note it.

    Raises as `console_log` does, and ConsoleNotOffered where the cloud has none.
    """
    console = _ask(
        vm,
        actor,
        lambda servers: servers.open_remote_console(vm.server_id, timeout=TIMEOUT),
    )
    if console is None:
        raise ConsoleNotOffered(f"The cloud {vm.cloud} offers no remote console.")
    # Who was at the keyboard of a VM is asked afterwards; without the URL.
    with transaction.atomic():
        details = {"type": console.type}
        events.record("vm.console-opened", actor=actor, subject=vm, details=details)
    return console


def _ask(vm: VM, actor: Actor, read: Callable[[Servers], T]) -> T:
    if not vm.server_id or vm.lacks_server:
        raise not_allowed(vm, "open the console of")
    with places.reads.one(f"cloud:{vm.cloud}", actor.name) as admitted:
        if not admitted:
            raise CloudBusy(
                f"Too many requests are waiting for the cloud {vm.cloud}. "
                "Try again in a few seconds."
            )
        database.give_back()
        try:
            return read(clouds.get(vm.cloud).servers)
        except Conflict as error:
            raise not_allowed(vm, "open the console of") from error
        except ProviderError as error:
            raise from_provider(error) from error
