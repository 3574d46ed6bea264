"""How things look: statuses, times, errors and what an event changed."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.db.models import Model
from django.urls import get_script_prefix, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.timesince import timesince, timeuntil

from compute.models import (
    Event,
    OperationStatus,
    Outcome,
    ResourceStatus,
    SnapshotStatus,
    VMStatus,
)
from compute.models.lifecycle import MOVING
from compute.models.owned import Owned

#: Nothing to show.
NONE = "\N{EN DASH}"
#: Whose something is that a cloud offers to all.
ALL_PROJECTS = "all projects"
EXACT = "%Y-%m-%d %H:%M:%S UTC"
#: Characters of one value that an event's line shows at most.
MAX_VALUE = 120

_GOOD = {VMStatus.ACTIVE, SnapshotStatus.AVAILABLE, OperationStatus.SUCCEEDED}
_BAD = {VMStatus.ERROR, SnapshotStatus.ERROR, OperationStatus.FAILED}
_ASIDE = {VMStatus.PAUSED, VMStatus.SUSPENDED, VMStatus.RESCUE, Outcome.REFUSED}
_BUSY = {
    *MOVING,
    SnapshotStatus.CREATING,
    SnapshotStatus.DELETING,
    ResourceStatus.UPDATING,
    OperationStatus.PENDING,
    OperationStatus.RUNNING,
}


def tone(status: str) -> str:
    """Return the CSS class of a status, or of the outcome of an event."""
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
    return tag(tone(status), status)


def tag(tone: str, word: str) -> SafeString:
    return format_html('<span class="status status-{}">{}</span>', tone, word)


def ago(when: datetime | None) -> SafeString | str:
    """Return a time as people say it, with the exact one in its title."""
    if when is None:
        return NONE
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        when.isoformat(),
        when.strftime(EXACT),
        _distance(when),
    )


def _distance(when: datetime) -> str:
    now = timezone.now()
    seconds = int((now - when).total_seconds())
    if seconds < -59:
        return f"in {timeuntil(when, now).split(',')[0]}"
    if seconds < 0:
        return f"in {-seconds} s"
    largest = f"{seconds} s" if seconds < 60 else timesince(when, now).split(",")[0]
    return f"{largest} ago"


def exact(when: datetime | None) -> str:
    """Return a time to the second."""
    return NONE if when is None else when.strftime(EXACT)


def ago_column(field: str, label: str) -> Callable[[Any], SafeString | str]:
    """Return a column of a list that shows a time field as `ago` does."""

    @admin.display(description=label, ordering=field)
    def column(row: Any) -> SafeString | str:
        return ago(getattr(row, field))

    return column


def exact_field(field: str, label: str) -> Callable[[Any], str]:
    """Return a field of a page that shows a time to the second."""

    @admin.display(description=label)
    def shown(row: Any) -> str:
        return exact(getattr(row, field))

    return shown


def plain_field(field: str, label: str) -> Callable[[Any], Any]:
    """Return a column, or a field, whose label Django would not write so."""

    @admin.display(description=label, ordering=field)
    def shown(row: Any) -> Any:
        value = getattr(row, field)
        return NONE if value in (None, "") else value

    return shown


def link_column(field: str, label: str) -> Callable[[Any], SafeString | str]:
    """Return a column, or a field, that leads to the page of a related row."""

    @admin.display(description=label)
    def shown(row: Any) -> SafeString | str:
        other: Model | None = getattr(row, field)
        return NONE if other is None else link(other)

    return shown


@admin.display(description="Project", ordering="project__name")
def owner_column(row: Any) -> SafeString | str:
    """Show the project of a row; of what a cloud offers to all, that it does."""
    if row.project is None:
        return format_html('<span class="quiet">{}</span>', ALL_PROJECTS)
    return str(row.project)


@admin.display(description="Status", ordering="status")
def status_column(row: Any) -> SafeString:
    """Show the status of a row, in a list or on its page."""
    return badge(row.status)


def link(row: Model) -> SafeString:
    """Return a link to the page of a row, by its name."""
    return format_html('<a href="{}">{}</a>', page_url(row), row)


def listed(things: Iterable[SafeString | str]) -> SafeString | str:
    """Return things one after the other, or that there are none."""
    return format_html_join(", ", "{}", ((thing,) for thing in things)) or NONE


def copyable(text: str) -> SafeString:
    """Return a text with a button that copies it; without script there is none."""
    return format_html(
        '<span class="copyable"><span>{}</span> <button type="button" class="copy" hidden>'
        'Copy<span class="visually-hidden"> {}</span></button></span>',
        text,
        text,
    )


def copyable_field(field: str, label: str) -> Callable[[Any], SafeString | str]:
    """Return a field of a page that can be copied, such as an id."""

    @admin.display(description=label)
    def shown(row: Any) -> SafeString | str:
        value = getattr(row, field)
        return NONE if value in (None, "") else copyable(str(value))

    return shown


def label_pairs(labels: Mapping[str, str]) -> list[str]:
    """Return labels as a selector has them."""
    return [f"{key}={value}" for key, value in sorted(labels.items())]


@admin.display(description="Labels")
def labels_field(row: Any) -> SafeString | str:
    """Show the labels of a row, each as one word."""
    pairs = ((pair,) for pair in label_pairs(row.labels))
    return format_html_join(" ", '<span class="label">{}</span>', pairs) or NONE


def page_url(row: Model) -> str:
    """Return the address of a row's page."""
    begin, end = _page_address(str(row._meta.model_name), get_script_prefix())
    return f"{begin}{quote(str(row.pk))}{end}"


@cache
def _page_address(model_name: str, prefix: str) -> tuple[str, str]:
    """Return what is before and after the id: a list has hundreds of such addresses."""
    address = reverse(f"admin:compute_{model_name}_change", args=["0"])
    begin, _, end = address.rpartition("0")
    return begin, end


def api_url(row: Model) -> str:
    """Return the address of a row in the API."""
    noun = row.kind if isinstance(row, Owned) else row._meta.model_name
    return reverse(f"{noun}-detail", kwargs={"id": row.pk})


def reason(document: dict[str, Any] | None) -> str:
    """Return what a stored problem says, in one line."""
    return str((document or {}).get("detail") or "")


def pretty(data: Any) -> SafeString | str:
    """Return JSON for reading."""
    if not data:
        return NONE
    text = json.dumps(data, indent=2, ensure_ascii=False, sort_keys=True)
    return format_html("<pre>{}</pre>", text)


def summary(event: Event) -> str:
    """Return what an event changed and tells, in one line."""
    changes = (
        f"{name}: {_word(before)} → {_word(after)}"
        for name, (before, after) in event.changes.items()
    )
    details = (
        f"{name}: {_word(value)}"
        for name, value in event.details.items()
        if value is not None
    )
    return "; ".join((*changes, *details))


def _word(value: Any) -> str:
    if value is None or value == "":
        return NONE
    if isinstance(value, dict) and "detail" in value:
        value = value["detail"]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return short(text, MAX_VALUE)


def short(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length]}…"
