"""How much of a quota is used, as a bar and as a number."""

from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.models import Quota

#: From so many percent on, a quota is one to look after.
NEARLY_FULL = 80


def percent(quota: Quota) -> int:
    """Return how much of a quota is used; of one that allows nothing, all."""
    if quota.limit is None:
        return 0
    if quota.limit == 0:
        return 100
    # Rounded down, so that what is not full does not look so.
    return min(100, quota.used * 100 // quota.limit)


def use_bar(quota: Quota) -> SafeString | str:
    """Return a bar of what is used, in the colour of how near its end is."""
    if quota.limit is None:
        return ""
    full = percent(quota)
    tone = "bad" if full >= 100 else "aside" if full >= NEARLY_FULL else "good"
    return format_html(
        '<progress class="use use-{}" max="100" value="{}" title="{} %"></progress>',
        tone,
        full,
        full,
    )


def compact_use(quota: Quota) -> SafeString:
    """Return a quota in one cell of a list."""
    return format_html(
        '{} <span class="use-of">{} of {} {}</span>',
        use_bar(quota),
        f"{quota.used:,}",
        f"{quota.limit:,}",
        quota.get_resource_display(),
    )
