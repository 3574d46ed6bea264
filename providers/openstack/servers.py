"""The servers of Nova."""

import base64
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from providers.contract.calls import Receipt
from providers.contract.servers import (
    Address,
    Fault,
    RemoteConsole,
    Server,
    ServerAction,
    Servers,
    ServerSpec,
    ServerVerb,
)
from providers.errors import InvalidRequest
from providers.openstack.images import TAG
from providers.openstack.networks import OpenStackNetworks
from providers.openstack.wire.answers import Json, reading, to_time
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Transport, body_of

#: Nova's words for the verbs of the contract.
_WORDS: Mapping[ServerVerb, str] = {
    "start": "os-start",
    "stop": "os-stop",
    "pause": "pause",
    "unpause": "unpause",
    "suspend": "suspend",
    "resume": "resume",
    "shelve": "shelve",
    "unshelve": "unshelve",
    "rescue": "rescue",
    "unrescue": "unrescue",
    "confirm_resize": "confirmResize",
}

#: Nova's protocols and types of consoles, those that a browser opens first.
_CONSOLES = (("vnc", "novnc"), ("spice", "spice-html5"), ("serial", "serial"))


class OpenStackServers(Servers):
    def __init__(self, transport: Transport, networks: OpenStackNetworks) -> None:
        self._transport = transport
        self._networks = networks

    # Reading

    def list_all(self, *, changes_since: datetime | None = None) -> list[Server]:
        if changes_since is None:
            return self._list()
        since = changes_since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._list(**{"changes-since": since})

    def find(self, *, tag: str) -> list[Server]:
        return self._list(tags=tag)

    def _list(self, **filters: str) -> list[Server]:
        with reading("nova"):
            found = self._transport.read_all(
                "nova", "/servers/detail", "servers", params=filters
            )
            return [_to_server(body) for body in found]

    def get(self, server_id: str) -> Server:
        with reading("nova"):
            body = self._transport.read("nova", f"/servers/{server_id}")
            return _to_server(body["server"])

    def list_actions(self, server_id: str) -> list[ServerAction]:
        path = f"/servers/{server_id}/os-instance-actions"
        with reading("nova"):
            found = self._transport.read_all("nova", path, "instanceActions")
            return [_to_action(body) for body in found]

    def get_action(self, server_id: str, request_id: str) -> ServerAction:
        path = f"/servers/{server_id}/os-instance-actions/{request_id}"
        with reading("nova"):
            return _to_action(self._transport.read("nova", path)["instanceAction"])

    def get_console_log(
        self, server_id: str, *, lines: int, timeout: float | None = None
    ) -> str:
        answer = self._transport.request(
            "nova",
            "POST",
            f"/servers/{server_id}/action",
            json={"os-getConsoleOutput": {"length": lines}},
            timeout=timeout,
        )
        with reading("nova"):
            return str(body_of("nova", answer)["output"])

    def open_remote_console(
        self, server_id: str, *, timeout: float | None = None
    ) -> RemoteConsole | None:
        begun = time.monotonic()
        for protocol, type in _CONSOLES:
            left = timeout and max(timeout - (time.monotonic() - begun), 0.1)
            try:
                answer = self._transport.request(
                    "nova",
                    "POST",
                    f"/servers/{server_id}/remote-consoles",
                    json={"remote_console": {"protocol": protocol, "type": type}},
                    timeout=left,
                )
            except InvalidRequest:  # "Unavailable console type"
                continue
            with reading("nova"):
                return _to_console(body_of("nova", answer)["remote_console"])
        return None

    # Changing

    def create(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        server: Json = {
            "name": spec.name,
            "flavorRef": spec.flavor_id,
            "imageRef": spec.image_id,
            "networks": [{"port": port_id} for port_id in spec.port_ids]
            or [{"uuid": self._networks.default_id()}],
            "tags": [spec.tag],
            "metadata": dict(spec.metadata),
        }
        if spec.user_data:
            server["user_data"] = base64.b64encode(spec.user_data).decode()
        if spec.key_name is not None:
            server["key_name"] = spec.key_name
        answer = self._transport.request(
            "nova", "POST", "/servers", json={"server": server}, request_id=request_id
        )
        with reading("nova"):
            created_id = body_of("nova", answer)["server"]["id"]
        return Receipt(request_id_of(answer), created_id)

    def delete(self, server_id: str, *, request_id: str) -> Receipt:
        answer = self._transport.request(
            "nova", "DELETE", f"/servers/{server_id}", request_id=request_id
        )
        return Receipt(request_id_of(answer))

    def act(self, server_id: str, verb: ServerVerb, *, request_id: str) -> Receipt:
        return self._post(server_id, _WORDS[verb], request_id)

    def reboot(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        kind = "HARD" if hard else "SOFT"
        return self._post(server_id, "reboot", request_id, type=kind)

    def resize(self, server_id: str, *, flavor_id: str, request_id: str) -> Receipt:
        return self._post(server_id, "resize", request_id, flavorRef=flavor_id)

    def rebuild(self, server_id: str, *, image_id: str, request_id: str) -> Receipt:
        return self._post(server_id, "rebuild", request_id, imageRef=image_id)

    def snapshot(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        return self._post(
            server_id, "createImage", request_id, name=name, metadata={TAG: tag}
        )

    def attach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        answer = self._transport.request(
            "nova",
            "POST",
            f"/servers/{server_id}/os-interface",
            json={"interfaceAttachment": {"port_id": port_id}},
            request_id=request_id,
        )
        return Receipt(request_id_of(answer))

    def detach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        path = f"/servers/{server_id}/os-interface/{port_id}"
        answer = self._transport.request("nova", "DELETE", path, request_id=request_id)
        return Receipt(request_id_of(answer))

    def _post(
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


def _to_server(body: Json) -> Server:
    """Return a server; one in a cell that is down has little but id and UNKNOWN.

    What is silent about its launch, such a server or an old policy, is no proof that
    there was none.
    """
    flavor = body.get("flavor") or {}
    fault = body.get("fault")
    created_at = to_time(body["created"])
    launched = body.get("OS-SRV-USG:launched_at", body["created"])
    return Server(
        id=body["id"],
        name=body.get("name", ""),
        status=body["status"],
        task_state=body.get("OS-EXT-STS:task_state"),
        created_at=created_at,
        updated_at=to_time(body["updated"]) if "updated" in body else created_at,
        flavor_name=flavor.get("original_name", ""),
        vcpus=flavor.get("vcpus", 0),
        ram_mb=flavor.get("ram", 0),
        disk_gb=flavor.get("disk", 0),
        # A server that boots from a volume has "" instead of an image.
        image_id=(body.get("image") or {}).get("id"),
        addresses=tuple(_addresses(body.get("addresses") or {})),
        tags=frozenset(body.get("tags") or ()),
        fault=Fault(fault["code"], fault["message"]) if fault else None,
        locked=bool(body.get("locked")),
        key_name=body.get("key_name"),
        launched_at=to_time(launched) if launched else None,
    )


def _addresses(networks: dict[str, list[Json]]) -> Iterator[Address]:
    for network, addresses in networks.items():
        for address in addresses:
            yield Address(
                ip=address["addr"],
                version=address["version"],
                network=network,
                type=address.get("OS-EXT-IPS:type", "fixed"),
                mac=address.get("OS-EXT-IPS-MAC:mac_addr"),
            )


def _to_console(body: Json) -> RemoteConsole:
    if urlsplit(body["url"]).scheme not in ("http", "https", "ws", "wss"):
        raise ValueError("no URL of a console")
    return RemoteConsole(str(body["type"]), body["url"])


def _to_action(body: Json) -> ServerAction:
    """Return an action; only its own page, not the list, tells of its events."""
    events = body.get("events") or []
    return ServerAction(
        action=body["action"],
        request_id=body["request_id"],
        started_at=to_time(body["start_time"]),
        finished=bool(events) and all(event["finish_time"] for event in events),
        error=_reason(body, events),
    )


def _reason(action: Json, events: list[Json]) -> str | None:
    """Return why an action failed: its message is just "Error", an event has more.

    Nova reads the action before its events, so its message may be older than they are.
    """
    failed = [event["result"] for event in events if event.get("result") == "Error"]
    reasons = [*(event.get("details") for event in events), action["message"], *failed]
    return next((str(reason) for reason in reasons if reason), None)
