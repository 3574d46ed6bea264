"""The words of Nova and Glance, as the contract's dataclasses."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from providers.base import Address, Fault, Flavor, Image, Server, ServerAction
from providers.errors import UnexpectedResponse

Json = dict[str, Any]

#: Properties of an image, Nova's own and ours.
INSTANCE_UUID = "instance_uuid"
TAG = "vmmanager_tag"


@contextmanager
def reading(service: str) -> Iterator[None]:
    """Raise UnexpectedResponse for an answer that lacks what it must have."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise UnexpectedResponse(
            f"An answer of {service} cannot be read: {type(exc).__name__} {exc}",
            service=service,
        ) from exc


def to_flavor(body: Json) -> Flavor:
    return Flavor(
        id=body["id"],
        name=body["name"],
        vcpus=body["vcpus"],
        ram_mb=body["ram"],
        disk_gb=body["disk"],
    )


def to_image(body: Json) -> Image:
    return Image(
        id=body["id"],
        name=body["name"] or body["id"],  # Glance wants no name
        status=body["status"],
        visibility=body["visibility"],
        size_bytes=body["size"] if body["status"] == "active" else None,
        min_disk_gb=body["min_disk"],
        min_ram_mb=body["min_ram"],
        server_id=body.get(INSTANCE_UUID),
        tag=body.get(TAG),
    )


def to_server(body: Json) -> Server:
    """Return a server; one in a cell that is down has little but id and UNKNOWN.

    What is silent about its launch, such a server or an old policy, is no proof that
    there was none.
    """
    flavor = body.get("flavor") or {}
    fault = body.get("fault")
    created_at = _time(body["created"])
    launched = body.get("OS-SRV-USG:launched_at", body["created"])
    return Server(
        id=body["id"],
        name=body.get("name", ""),
        status=body["status"],
        task_state=body.get("OS-EXT-STS:task_state"),
        created_at=created_at,
        updated_at=_time(body["updated"]) if "updated" in body else created_at,
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
        launched_at=_time(launched) if launched else None,
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


def to_action(body: Json) -> ServerAction:
    """Return an action; only its own page, not the list, tells of its events."""
    events = body.get("events") or []
    return ServerAction(
        action=body["action"],
        request_id=body["request_id"],
        started_at=_time(body["start_time"]),
        finished=bool(events) and all(event["finish_time"] for event in events),
        error=_reason(body, events),
    )


def _reason(action: Json, events: list[Json]) -> str | None:
    """Return why an action failed: its message is just "Error", an event has more."""
    reasons = [event.get("details") for event in events] + [action["message"]]
    return next((str(reason) for reason in reasons if reason), None)


def _time(text: str) -> datetime:
    """Return an aware time; those of actions and launches have no zone and mean UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
