"""How things look: statuses, times, errors and what an event changed."""

import json
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from compute.models import (
    VM,
    Event,
    Operation,
    OperationStatus,
    Snapshot,
    SnapshotStatus,
    VMStatus,
)
from compute.models.vm import MOVING

#: Nothing to show.
NONE = "\N{EN DASH}"
#: An event's line shows no more of one value.
MAX_VALUE = 120

_GOOD = {VMStatus.ACTIVE, SnapshotStatus.AVAILABLE, OperationStatus.SUCCEEDED}
_BAD = {VMStatus.ERROR, SnapshotStatus.ERROR, OperationStatus.FAILED}
_ASIDE = {VMStatus.PAUSED, VMStatus.SUSPENDED, VMStatus.RESCUE}
_BUSY = {
    *MOVING,
    SnapshotStatus.CREATING,
    SnapshotStatus.DELETING,
    OperationStatus.PENDING,
    OperationStatus.RUNNING,
}


def tone(status: str) -> str:
    """Return the CSS class of a status of a VM, a snapshot or an operation."""
    for name, statuses in (
        ("good", _GOOD),
        ("bad", _BAD),
        ("aside", _ASIDE),
        ("busy", _BUSY),
    ):
        if status in statuses:
            return name
    return "off"


def badge(status: str) -> SafeString:
    return format_html('<span class="status status-{}">{}</span>', tone(status), status)


def ago(when: datetime | None) -> SafeString | str:
    """Return a time as people say it, with the exact one in its title."""
    if when is None:
        return NONE
    largest = timesince(when).split(",")[0]
    return format_html(
        '<time datetime="{}" title="{}">{} ago</time>',
        when.isoformat(),
        when.strftime("%Y-%m-%d %H:%M:%S UTC"),
        largest,
    )


def duration(operation: Operation) -> str:
    """Return how long an operation took."""
    if operation.finished_at is None:
        return NONE
    return f"{(operation.finished_at - operation.created_at).total_seconds():.1f} s"


def addresses(vm: VM) -> str:
    return ", ".join(address["ip"] for address in vm.addresses) or NONE


def size(vm: VM) -> str:
    return f"{vm.vcpus} vCPU, {vm.ram_mb} MB RAM, {vm.disk_gb} GB disk"


def error(document: dict[str, Any] | None) -> SafeString | str:
    """Return a stored problem as a person reads it."""
    if not document:
        return NONE
    return render_to_string(
        "admin/compute/includes/error.html", {"error": document, "plain": True}
    )


def labels(row: VM | Snapshot) -> str:
    return ", ".join(f"{key}={value}" for key, value in row.labels.items()) or NONE


def pretty(data: Any) -> SafeString | str:
    """Return JSON for reading."""
    if not data:
        return NONE
    text = json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html("<pre>{}</pre>", text)


def summary(data: dict[str, Any]) -> str:
    """Return what an event changed, in one line."""
    return "; ".join(f"{name}: {_change(value)}" for name, value in data.items())


def _change(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:
        return f"{_word(value[0])} → {_word(value[1])}"
    return _word(value)


def _word(value: Any) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, dict) and "detail" in value:
        value = value["detail"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"


class OperationLine:
    """One row in the table of operations on a page."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.badge = badge(operation.status)
        self.created = ago(operation.created_at)
        self.duration = duration(operation)


class EventLine:
    """One entry of a timeline."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.created = ago(event.created_at)
        self.summary = summary(event.data)
