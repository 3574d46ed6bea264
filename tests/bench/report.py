"""What the figures look like: ratios with their spread, in tables of Markdown."""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """On which database, and how much is done to know."""

    database: str
    #: Of one load.
    seconds: float
    #: How often each is loaded.
    rounds: int


def say(line: str = "") -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [
        max(len(row[number]) for row in [columns, *rows])
        for number in range(len(columns))
    ]
    say(f"\n{title}\n")
    for row in (columns, ["-" * width for width in widths], *rows):
        say(f"| {' | '.join(map(str.ljust, row, widths))} |")


def ratio(ours: Sequence[float], others: Sequence[float]) -> str:
    """Return the median of the ratios of each round, and between what they lie."""
    ratios = [one / other for one, other in zip(ours, others, strict=True)]
    middle = statistics.median(ratios)
    return f"{middle:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
