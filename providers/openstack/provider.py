"""The contract, kept by Nova, Glance and Neutron."""

import base64
import math
import threading
from datetime import UTC, datetime
from typing import Any

from providers.base import (
    Flavor,
    Image,
    Port,
    Provider,
    Receipt,
    Server,
    ServerAction,
    ServerSpec,
)
from providers.openstack import networks
from providers.openstack.wire.answers import (
    TAG,
    reading,
    to_action,
    to_flavor,
    to_image,
    to_server,
)
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Json, Params, Transport, body_of

#: Formats of an image that cannot be booted: kernels and ramdisks for others.
_PARTS_OF_IMAGES = frozenset({"aki", "ari"})


class OpenStackProvider(Provider):
    """One project of an OpenStack cloud, by its name in clouds.yaml.

    Options: ``cloud``, that name; ``network``, name or id of the network for servers
    that name none; ``timeout``, the seconds any single call may take; ``page_size`` of
    listings (0: as large as each service allows). Needs compute microversion 2.69
    (Stein) or later. Raises ValueError for a wrong option.
    """

    def __init__(
        self,
        *,
        cloud: str,
        network: str = "",
        timeout: str = "60",
        page_size: str = "0",
        **unknown: str,
    ) -> None:
        if unknown:
            raise ValueError(
                f"no such option of openstack://: {', '.join(map(repr, unknown))}"
            )
        super().__init__()
        self.call_timeout = _positive("timeout", timeout)
        self._paging: Params = {}
        if page_size != "0":
            self._paging = {"limit": int(_positive("page_size", page_size))}
        self._network = network
        self._network_id = ""
        self._network_lock = threading.Lock()
        self._transport = Transport(
            cloud, timeout=self.call_timeout, count_request=self.count_call
        )

    # The catalogue

    def list_flavors(self) -> list[Flavor]:
        """Return every flavor our user may boot."""
        with reading("nova"):
            found = self._transport.read_all(
                "nova", "/flavors/detail", "flavors", params=self._paging
            )
            return [to_flavor(body) for body in found]

    def list_images(self) -> list[Image]:
        """Return every image our user may boot, snapshots included."""
        return self._images(status="active")

    def list_snapshot_images(self, *, tag: str | None = None) -> list[Image]:
        """Return the images made by `snapshot_server`, unfinished ones included."""
        # An operator's credentials would list those of every project.
        ours = self._transport.project_id
        if tag is not None:
            return self._images(owner=ours, **{TAG: tag})
        made = self._images(owner=ours, image_type="snapshot")
        return [image for image in made if image.tag]

    def _images(self, **filters: str) -> list[Image]:
        with reading("glance"):
            found = self._transport.read_all(
                "glance", "/images", "images", params={**self._paging, **filters}
            )
            return [
                to_image(body)
                for body in found
                if body.get("disk_format") not in _PARTS_OF_IMAGES
            ]

    # Reading servers

    def list_servers(self, *, changes_since: datetime | None = None) -> list[Server]:
        """Return every server of our project, from every page of the listing."""
        if changes_since is None:
            return self._servers()
        since = changes_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._servers(**{"changes-since": since})

    def find_servers(self, *, tag: str) -> list[Server]:
        """Return the servers created with ``tag``."""
        return self._servers(tags=tag)

    def _servers(self, **filters: str) -> list[Server]:
        with reading("nova"):
            found = self._transport.read_all(
                "nova", "/servers/detail", "servers", params={**self._paging, **filters}
            )
            return [to_server(body) for body in found]

    def get_server(self, server_id: str) -> Server:
        """Return one server."""
        with reading("nova"):
            body = self._transport.read("nova", f"/servers/{server_id}")
            return to_server(body["server"])

    def list_actions(self, server_id: str) -> list[ServerAction]:
        """Return the cloud's records of the actions on a server, newest first."""
        path = f"/servers/{server_id}/os-instance-actions"
        with reading("nova"):
            found = self._transport.read_all(
                "nova", path, "instanceActions", params=self._paging
            )
            return [to_action(body) for body in found]

    def get_action(self, server_id: str, request_id: str) -> ServerAction:
        """Return the cloud's record of one action, with its end."""
        path = f"/servers/{server_id}/os-instance-actions/{request_id}"
        with reading("nova"):
            return to_action(self._transport.read("nova", path)["instanceAction"])

    def get_console_log(
        self, server_id: str, *, lines: int, timeout: float | None = None
    ) -> str:
        """Return the last ``lines`` lines of the serial console."""
        answer = self._transport.request(
            "nova",
            "POST",
            f"/servers/{server_id}/action",
            json={"os-getConsoleOutput": {"length": lines}},
            timeout=timeout,
        )
        with reading("nova"):
            return str(body_of("nova", answer)["output"])

    # Changing servers

    def create_server(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        """Create a server; ``created_id`` is its id."""
        server: Json = {
            "name": spec.name,
            "flavorRef": spec.flavor_id,
            "imageRef": spec.image_id,
            "networks": [{"uuid": self._default_network()}],
            "tags": [spec.tag],
            "metadata": dict(spec.metadata),
        }
        if spec.user_data:
            server["user_data"] = base64.b64encode(spec.user_data).decode()
        answer = self._transport.request(
            "nova", "POST", "/servers", json={"server": server}, request_id=request_id
        )
        with reading("nova"):
            created_id = body_of("nova", answer)["server"]["id"]
        return Receipt(request_id_of(answer), created_id)

    def _default_network(self) -> str:
        with self._network_lock:
            if not self._network_id:
                self._network_id = networks.find_default(self._transport, self._network)
            return self._network_id

    def delete_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Delete a server; repeating it while it is being deleted succeeds."""
        answer = self._transport.request(
            "nova", "DELETE", f"/servers/{server_id}", request_id=request_id
        )
        return Receipt(request_id_of(answer))

    def start_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power on a SHUTOFF server."""
        return self._act(server_id, "os-start", request_id)

    def stop_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power off an ACTIVE or ERROR server."""
        return self._act(server_id, "os-stop", request_id)

    def reboot_server(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        """Reboot a server: soft from ACTIVE only, hard from nearly anywhere."""
        kind = "HARD" if hard else "SOFT"
        return self._act(server_id, "reboot", request_id, type=kind)

    def resize_server(
        self, server_id: str, *, flavor_id: str, request_id: str
    ) -> Receipt:
        """Resize an ACTIVE or SHUTOFF server; it then waits in VERIFY_RESIZE."""
        return self._act(server_id, "resize", request_id, flavorRef=flavor_id)

    def confirm_resize(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep the new size of a VERIFY_RESIZE server."""
        return self._act(server_id, "confirmResize", request_id)

    def rebuild_server(
        self, server_id: str, *, image_id: str, request_id: str
    ) -> Receipt:
        """Replace the disk of a server by an image; a server that was off stays off."""
        return self._act(server_id, "rebuild", request_id, imageRef=image_id)

    def pause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Freeze an ACTIVE server in memory."""
        return self._act(server_id, "pause", request_id)

    def unpause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a PAUSED server."""
        return self._act(server_id, "unpause", request_id)

    def suspend_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Save an ACTIVE server's memory to disk and turn it off."""
        return self._act(server_id, "suspend", request_id)

    def resume_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a SUSPENDED server."""
        return self._act(server_id, "resume", request_id)

    def shelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep a server as an image only; it ends SHELVED_OFFLOADED."""
        return self._act(server_id, "shelve", request_id)

    def unshelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Bring a shelved server back; it ends ACTIVE."""
        return self._act(server_id, "unshelve", request_id)

    def rescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Boot an ACTIVE, SHUTOFF or ERROR server from a rescue image."""
        return self._act(server_id, "rescue", request_id)

    def unrescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """End the rescue; the server ends ACTIVE."""
        return self._act(server_id, "unrescue", request_id)

    def _act(
        self, server_id: str, action: str, request_id: str, **arguments: Any
    ) -> Receipt:
        answer = self._transport.request(
            "nova",
            "POST",
            f"/servers/{server_id}/action",
            # Nova wants null, not {}, where an action has no arguments.
            json={action: arguments or None},
            request_id=request_id,
        )
        created_id = None
        if action == "createImage":
            with reading("nova"):
                created_id = body_of("nova", answer)["image_id"]
        return Receipt(request_id_of(answer), created_id)

    # Snapshots

    def snapshot_server(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        """Make an image of a server; ``created_id`` is its id."""
        return self._act(
            server_id, "createImage", request_id, name=name, metadata={TAG: tag}
        )

    def delete_image(self, image_id: str, *, request_id: str) -> Receipt:
        """Delete an image of ours."""
        answer = self._transport.request(
            "glance", "DELETE", f"/images/{image_id}", request_id=request_id
        )
        return Receipt(request_id_of(answer))

    # Ports

    def list_ports(self) -> list[Port]:
        """Return the ports of our project that belong to servers."""
        return networks.list_ports(self._transport)

    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        """Delete a port that a server left behind."""
        return networks.delete_port(self._transport, port_id, request_id=request_id)


def _positive(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"option {name!r} of openstack:// must be above 0, not {text!r}"
        )
    return number
