"""The health of clouds: a line for each service, and the banner while one fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from compute import clouds
from compute.admin.console import display
from compute.models import CloudService

#: Characters of an error that are shown in one line.
MAX_ERROR = 200
NOT_ASKED = "Nothing asks it: check that a worker runs."

_NEVER = display.tag("off", "never observed")


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    """One service of a cloud; a cloud that was never asked has none."""

    cloud: str
    url: str
    health: SafeString
    service: str = ""
    answered: SafeString | str = ""
    #: Why nothing new is known of it, and since when; empty while all is well.
    reason: str = ""
    stale_since: str = ""


@dataclass(frozen=True, slots=True)
class StaleCloud:
    """A cloud of which what the console shows may be out of date."""

    alias: str
    url: str
    is_failing: bool
    services: Sequence[str]
    #: Since when nothing new is known of one of them, and how long ago that is.
    stale_since: str
    stale_for: SafeString | str
    reason: str


def may_see_clouds(request: HttpRequest) -> bool:
    return request.user.has_perm("compute.view_cloud")


def health_tag(row: CloudService) -> SafeString:
    if row.is_failing:
        times = "once" if row.failures == 1 else f"{row.failures} times"
        return display.tag("bad", f"failed {times}")
    if row.is_late(timezone.now()):
        return display.tag("aside", "not asked")
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


def stale_clouds(request: HttpRequest) -> Sequence[StaleCloud]:
    """Return the clouds of which a service fails, for who may see clouds.

    Every page asks: it costs one query at most.
    """
    if not may_see_clouds(request):
        return ()
    stale = _by_cloud(CloudService.objects.stale(timezone.now()))
    return [_stale(alias, rows) for alias, rows in stale.items() if rows]


def _by_cloud(rows: QuerySet[CloudService]) -> Mapping[str, list[CloudService]]:
    """Return alias -> services; of a cloud that was taken out nobody hears any more."""
    by_cloud: dict[str, list[CloudService]] = {alias: [] for alias in clouds.aliases()}
    for row in rows.filter(cloud__in=by_cloud):
        by_cloud[row.cloud_id].append(row)
    return by_cloud


def _health(row: CloudService) -> ServiceHealth:
    since = row.observed_at
    reason = _reason(row)
    return ServiceHealth(
        cloud=row.cloud_id,
        url=_url(row.cloud_id),
        health=health_tag(row),
        service=row.service,
        answered=display.ago(since) if since else "",
        reason=reason,
        stale_since=display.exact(since) if since and reason else "",
    )


def _never_observed(alias: str) -> ServiceHealth:
    return ServiceHealth(
        cloud=alias, url=reverse("admin:compute_cloud_changelist"), health=_NEVER
    )


def _stale(alias: str, rows: Sequence[CloudService]) -> StaleCloud:
    # Why one fails says more than that another is not asked.
    first = next((row for row in rows if row.is_failing), rows[0])
    oldest = min((row.observed_at for row in rows if row.observed_at), default=None)
    return StaleCloud(
        alias=alias,
        url=_url(alias),
        is_failing=first.is_failing,
        services=[row.service for row in rows],
        stale_since=display.exact(oldest) if oldest else "",
        stale_for=display.ago(oldest),
        reason=_reason(first),
    )


def _reason(row: CloudService) -> str:
    if row.is_failing:
        return display.short(row.last_error, MAX_ERROR)
    return NOT_ASKED if row.is_late(timezone.now()) else ""


def _url(alias: str) -> str:
    return reverse("admin:compute_cloud_change", args=[alias])
