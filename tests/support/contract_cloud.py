"""The hands of the contract suite: servers in the state a test asks for."""

import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence

import pytest

from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.flavors import Flavor
from providers.contract.images import Image
from providers.contract.ports import Port
from providers.contract.servers import Server, ServerAction, ServerSpec, ServerVerb
from providers.errors import Conflict, NotFound
from tests.support.ssh_keys import ed25519_line

WaitUntil = Callable[[Callable[[], bool]], None]
BreakServer = Callable[[str], None]
FailBuild = Callable[["Lab"], str]

SMALL = "m1.tiny"
IMAGE = "cirros"
OTHER_IMAGE = "debian-12"

#: How a fresh server gets into a state that lasts. ERROR takes an operator.
STATES = (
    "ACTIVE",
    "SHUTOFF",
    "PAUSED",
    "SUSPENDED",
    "RESCUE",
    "VERIFY_RESIZE",
    "SHELVED_OFFLOADED",
    "ERROR",
)

#: What makes such a server ACTIVE again, as it was.
BACK: dict[str, ServerVerb] = {
    "SHUTOFF": "start",
    "PAUSED": "unpause",
    "SUSPENDED": "resume",
    "RESCUE": "unrescue",
    "SHELVED_OFFLOADED": "unshelve",
}


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


def new_tag() -> str:
    return f"contract-{uuid.uuid4()}"


class Lab:
    """A cloud under test; whatever is made through it is removed at the end.

    Servers that a test left as it found them are lent again: on a real cloud making
    one takes seconds.
    """

    def __init__(
        self,
        cloud: Cloud,
        wait_until: WaitUntil,
        break_server: BreakServer | None,
        fail_build: FailBuild | None = None,
    ) -> None:
        self.cloud = cloud
        self.wait_until = wait_until
        self._break_server = break_server
        self._fail_build = fail_build
        self._shelf: dict[str, list[str]] = defaultdict(list)
        self._servers: list[str] = []
        self._images: list[str] = []
        self._keypairs: set[str] = set()

    # The catalogue

    def flavor(self, name: str) -> Flavor:
        return next(f for f in self.cloud.flavors.list_all() if f.name == name)

    def larger_flavor(self, server: Server) -> Flavor:
        flavors = sorted(self.cloud.flavors.list_all(), key=lambda f: f.disk_gb)
        return next(f for f in flavors if f.disk_gb > server.disk_gb)

    def image(self, name: str) -> Image:
        return next(i for i in self.cloud.images.list_all() if i.name == name)

    def spec(
        self,
        *,
        flavor_id: str | None = None,
        image_id: str | None = None,
        key_name: str | None = None,
        port_ids: Sequence[str] = (),
    ) -> ServerSpec:
        return ServerSpec(
            name=f"contract-{uuid.uuid4().hex[:8]}",
            flavor_id=flavor_id or self.flavor(SMALL).id,
            image_id=image_id or self.image(IMAGE).id,
            tag=new_tag(),
            port_ids=port_ids,
            key_name=key_name,
            metadata={"purpose": "contract"},
            user_data=b"#cloud-config\npassword: not-for-logs\n",
        )

    # Servers

    def request(self, spec: ServerSpec) -> tuple[str, Receipt]:
        """Create a server without waiting for it; return its id too."""
        receipt = self.cloud.servers.create(spec, request_id=new_request_id())
        assert receipt.created_id is not None
        self._servers.append(receipt.created_id)
        return receipt.created_id, receipt

    def create(self) -> Server:
        """Return a new server that has become ACTIVE."""
        server_id, _ = self.request(self.spec())
        return self.settle(server_id, "ACTIVE")

    def server_in(self, status: str) -> Server:
        """Return a settled server in ``status``, one put back if there is one."""
        server = self._lend(status)
        if server is None:
            server = self._active()
            self._bring(server, status)
            server = self.settle(server.id, status)
        return server

    def never_launched(self) -> Server:
        """Return a new server whose build has failed."""
        if self._fail_build is None:
            pytest.skip("nobody here can make a build fail")
        server_id = self._fail_build(self)
        self.settle(server_id, "ERROR")
        # Nova notes the reason a moment after the status.
        self.wait_until(lambda: self.cloud.servers.get(server_id).fault is not None)
        return self.cloud.servers.get(server_id)

    def put_back(self, server_id: str) -> None:
        """Lend this server again, in whatever state it has settled."""
        server = self.cloud.servers.get(server_id)
        resizable = server.flavor_name == SMALL or server.status == "VERIFY_RESIZE"
        if server.status in STATES and resizable:
            self._shelf[server.status].append(server_id)

    def _lend(self, status: str) -> Server | None:
        """Take from the shelf what is still in ``status``."""
        while self._shelf[status]:
            server = self.cloud.servers.get(self._shelf[status].pop())
            if server.status == status and server.task_state is None:
                return server
        return None

    def _active(self) -> Server:
        """Return an ACTIVE server: one put back in whatever state, or a new one."""
        if server := self._lend("ACTIVE"):
            return server
        for status, verb in BACK.items():
            if server := self._lend(status):
                self.cloud.servers.act(server.id, verb, request_id=new_request_id())
                return self.settle(server.id, "ACTIVE")
        return self.create()

    def _bring(self, server: Server, status: str) -> None:
        servers, request_id = self.cloud.servers, new_request_id()
        verbs: dict[str, ServerVerb] = {
            "SHUTOFF": "stop",
            "PAUSED": "pause",
            "SUSPENDED": "suspend",
            "RESCUE": "rescue",
            "SHELVED_OFFLOADED": "shelve",
        }
        if status in verbs:
            servers.act(server.id, verbs[status], request_id=request_id)
        elif status == "VERIFY_RESIZE":
            flavor_id = self.larger_flavor(server).id
            servers.resize(server.id, flavor_id=flavor_id, request_id=request_id)
        elif status == "ERROR":
            if self._break_server is None:
                pytest.skip("nobody here can put a server into ERROR")
            self._break_server(server.id)

    def settle(self, server_id: str, status: str) -> Server:
        """Wait until a server rests in ``status`` and return it."""

        def settled() -> bool:
            server = self.cloud.servers.get(server_id)
            return server.status == status and server.task_state is None

        self.wait_until(settled)
        return self.cloud.servers.get(server_id)

    def finish(self, server_id: str, receipt: Receipt) -> None:
        """Wait until the cloud's record says that an action ended, without error."""
        assert self.end_of(server_id, receipt).error is None

    def end_of(self, server_id: str, receipt: Receipt) -> ServerAction:
        """Wait until an action has ended and return the cloud's record of it."""
        assert receipt.request_id
        ended: list[ServerAction] = []

        def finished() -> bool:
            ended[:] = [
                self.cloud.servers.get_action(server_id, receipt.request_id or "")
            ]
            return ended[0].finished

        self.wait_until(finished)
        return ended[0]

    def wait_gone(self, server_id: str) -> None:
        def gone() -> bool:
            try:
                self.cloud.servers.get(server_id)
            except NotFound:
                return True
            return False

        self.wait_until(gone)

    def ports_of(self, server_id: str) -> list[Port]:
        return [p for p in self.cloud.ports.list_all() if p.server_id == server_id]

    # Keypairs

    def keypair(self, name: str, public_key: str | None = None) -> Receipt:
        """Make a keypair, of a new key unless one is given."""
        receipt = self.cloud.keypairs.create(
            name, public_key or ed25519_line(), request_id=new_request_id()
        )
        self._keypairs.add(name)
        return receipt

    # Snapshots

    def snapshot(self, server: Server, *, tag: str) -> Receipt:
        """Request a snapshot of a server."""
        receipt = self.cloud.servers.snapshot(
            server.id, name="contract-snapshot", tag=tag, request_id=new_request_id()
        )
        assert receipt.created_id is not None
        self._images.append(receipt.created_id)
        return receipt

    def settle_image(self, tag: str) -> Image:
        """Wait until the one snapshot with ``tag`` is active and return it."""

        def active() -> bool:
            images = self.cloud.images.list_snapshots(tag=tag)
            return [image.status for image in images] == ["active"]

        self.wait_until(active)
        return self.cloud.images.list_snapshots(tag=tag)[0]

    def clean_up(self) -> None:
        """Delete everything that was made here and wait until it is gone."""
        for server_id in self._servers:
            self._delete(server_id)
        for server_id in self._servers:
            self.wait_gone(server_id)
        for image_id in self._images:
            try:
                self.cloud.images.delete(image_id, request_id=new_request_id())
            except NotFound:
                continue
        for name in self._keypairs & {k.name for k in self.cloud.keypairs.list_all()}:
            self.cloud.keypairs.delete(name, request_id=new_request_id())

    def _delete(self, server_id: str) -> None:
        try:
            self.cloud.servers.delete(server_id, request_id=new_request_id())
        except (NotFound, Conflict):  # gone, or about to be
            return
