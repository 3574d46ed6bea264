"""The health of clouds: a line for each service, and the banner while one fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

from compute import clouds
from compute.admin.console import display
from compute.models import CloudService

#: Characters of an error that are shown in one line.
MAX_ERROR = 200

_NEVER = display.tag("off", "never observed")


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One service of a cloud; a cloud that was never asked has none."""

    cloud: str
    service: str
    url: str
    health: SafeString
    is_failing: bool
    answered: SafeString | str
    #: Since when nothing new is known of it, and for how long by now.
    stale_since: str
    stale_for: str
    error: str


def may_see_clouds(request: HttpRequest) -> bool:
    return request.user.has_perm("compute.view_cloud")


def health_tag(row: CloudService) -> SafeString:
    if row.is_failing:
        times = "once" if row.failures == 1 else f"{row.failures} times"
        return display.tag("bad", f"failed {times}")
    if row.observed_at is None:
        return _NEVER
    return display.tag("good", "answers")


def services() -> list[ServiceHealth]:
    """Return the services of the configured clouds, the default cloud's first."""
    aliases = clouds.aliases()
    by_cloud: dict[str, list[ServiceHealth]] = {alias: [] for alias in aliases}
    for row in CloudService.objects.of(aliases):
        by_cloud[row.cloud_id].append(_health(row))
    return [
        line
        for alias, lines in by_cloud.items()
        for line in lines or [_never_observed(alias)]
    ]


def banner(request: HttpRequest) -> Sequence[ServiceHealth]:
    """Return the services that fail, for who may see clouds; one query at most."""
    if not may_see_clouds(request):
        return ()
    failing = CloudService.objects.of(clouds.aliases()).failing()
    return [_health(row) for row in failing]


def _health(row: CloudService) -> ServiceHealth:
    when = row.observed_at
    return ServiceHealth(
        cloud=row.cloud_id,
        service=row.service,
        url=reverse("admin:compute_cloud_change", args=[row.cloud_id]),
        health=health_tag(row),
        is_failing=row.is_failing,
        answered=display.ago(when),
        stale_since="" if when is None else when.strftime(display.EXACT),
        stale_for=_duration(when),
        error=display.short(row.last_error, MAX_ERROR),
    )


def _never_observed(alias: str) -> ServiceHealth:
    return ServiceHealth(
        cloud=alias,
        service="",
        url=reverse("admin:compute_cloud_changelist"),
        health=_NEVER,
        is_failing=False,
        answered=display.NONE,
        stale_since="",
        stale_for="",
        error="",
    )


def _duration(since: datetime | None) -> str:
    if since is None:
        return ""
    now = timezone.now()
    seconds = int((now - since).total_seconds())
    return f"{seconds} s" if seconds < 60 else timesince(since, now)
