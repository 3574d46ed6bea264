"""Operations per hour as bars: the numbers and the places of a picture in SVG."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from compute.models import OperationStatus

HOURS = 24
#: Of the picture, in its own units: it is as wide as its place on the page.
HEIGHT = 100
STEP = 10
GAP = 2
#: One failure among thousands is to be seen.
LEAST = 2
HOUR = "%Y-%m-%d %H:%M UTC"


@dataclass(frozen=True, slots=True)
class Bar:
    """The operations that ended in one hour: the failed stand on the others."""

    hour: str
    succeeded: int
    failed: int
    x: int
    succeeded_y: int
    succeeded_height: int
    failed_y: int
    failed_height: int


@dataclass(frozen=True, slots=True)
class Chart:
    bars: Sequence[Bar]
    succeeded: int
    failed: int
    most: int
    width: int
    height: int = HEIGHT
    bar_width: int = STEP - GAP


def start(now: datetime) -> datetime:
    """Return when the time that a chart shows begins."""
    return now - timedelta(hours=HOURS)


def chart(counts: Mapping[tuple[datetime, str], int], *, now: datetime) -> Chart:
    """Draw what ended in each hour; the first and the last are parts of one."""
    first = start(now).replace(minute=0, second=0, microsecond=0)
    hours = [first + timedelta(hours=number) for number in range(HOURS + 1)]
    ends = [
        (
            counts.get((hour, OperationStatus.SUCCEEDED), 0),
            counts.get((hour, OperationStatus.FAILED), 0),
        )
        for hour in hours
    ]
    most = max(succeeded + failed for succeeded, failed in ends)
    return Chart(
        bars=[
            _bar(number, hour, *numbers, most=most)
            for number, (hour, numbers) in enumerate(zip(hours, ends, strict=True))
        ],
        succeeded=sum(succeeded for succeeded, _ in ends),
        failed=sum(failed for _, failed in ends),
        most=most,
        width=STEP * len(hours),
    )


def _bar(number: int, hour: datetime, succeeded: int, failed: int, *, most: int) -> Bar:
    failed_height = _height(failed, most)
    succeeded_height = min(_height(succeeded, most), HEIGHT - failed_height)
    succeeded_y = HEIGHT - succeeded_height
    return Bar(
        hour=hour.strftime(HOUR),
        succeeded=succeeded,
        failed=failed,
        x=STEP * number + GAP // 2,
        succeeded_y=succeeded_y,
        succeeded_height=succeeded_height,
        failed_y=succeeded_y - failed_height,
        failed_height=failed_height,
    )


def _height(count: int, most: int) -> int:
    return max(LEAST, HEIGHT * count // most) if count else 0
