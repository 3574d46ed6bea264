"""The health of clouds: a line for each service, and the banner while one fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

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
    url: str
    health: SafeString
    service: str = ""
    is_failing: bool = False
    answered: SafeString | str = ""
    #: Since when nothing new is known of it.
    stale_since: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class FailingCloud:
    alias: str
    url: str
    services: Sequence[str]
    #: Since when nothing new is known of one of them, and how long ago that is.
    stale_since: str
    stale_for: SafeString | str
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


def services() -> Sequence[ServiceHealth]:
    """Return the services of the configured clouds, the default cloud's first."""
    return [
        health
        for alias, rows in _by_cloud(CloudService.objects.all()).items()
        for health in [_health(row) for row in rows] or [_never_observed(alias)]
    ]


def failing_clouds(request: HttpRequest) -> Sequence[FailingCloud]:
    """Return the clouds of which a service fails, for who may see clouds.

    It is asked for every page: one query at most.
    """
    if not may_see_clouds(request):
        return ()
    failing = _by_cloud(CloudService.objects.failing())
    return [_failing(alias, rows) for alias, rows in failing.items() if rows]


def _by_cloud(rows: QuerySet[CloudService]) -> Mapping[str, list[CloudService]]:
    """Return alias -> services; of a cloud that was taken out nobody hears any more."""
    by_cloud: dict[str, list[CloudService]] = {alias: [] for alias in clouds.aliases()}
    for row in rows.filter(cloud__in=by_cloud):
        by_cloud[row.cloud_id].append(row)
    return by_cloud


def _health(row: CloudService) -> ServiceHealth:
    return ServiceHealth(
        cloud=row.cloud_id,
        url=_url(row.cloud_id),
        health=health_tag(row),
        service=row.service,
        is_failing=row.is_failing,
        answered=display.ago(row.observed_at) if row.observed_at else "",
        stale_since=display.exact(row.observed_at) if row.observed_at else "",
        error=display.short(row.last_error, MAX_ERROR),
    )


def _never_observed(alias: str) -> ServiceHealth:
    return ServiceHealth(
        cloud=alias, url=reverse("admin:compute_cloud_changelist"), health=_NEVER
    )


def _failing(alias: str, rows: Sequence[CloudService]) -> FailingCloud:
    oldest = min((row.observed_at for row in rows if row.observed_at), default=None)
    return FailingCloud(
        alias=alias,
        url=_url(alias),
        services=[row.service for row in rows],
        stale_since=display.exact(oldest) if oldest else "",
        stale_for=display.ago(oldest),
        error=display.short(rows[0].last_error, MAX_ERROR),
    )


def _url(alias: str) -> str:
    return reverse("admin:compute_cloud_change", args=[alias])
