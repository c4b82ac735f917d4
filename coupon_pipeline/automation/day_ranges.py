"""Days become few runs: a run takes a range of days, and reads it by set."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from coupon_pipeline.assets.partitions import RANGE_END, RANGE_START

MOST_RANGES = 8
_WEEKEND = timedelta(days=3)
"""From Friday to Monday: few companies sign orders in between."""


@dataclass(frozen=True, slots=True, order=True)
class DayRange:
    """Activation days from `first` to `last`, both included."""

    first: date
    last: date

    @property
    def tags(self) -> dict[str, str]:
        """What makes a run be about these partitions."""
        return {RANGE_START: self.first.isoformat(), RANGE_END: self.last.isoformat()}

    def __str__(self) -> str:
        """As people write it."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


def ranges_of(days: Iterable[date], most: int = MOST_RANGES) -> list[DayRange]:
    """Ranges that hold all of these days.

    A gap of a weekend is run as well, and where that would still be more than `most` runs the
    narrowest other gaps: a day on which nothing is to be done costs next to nothing, and each run
    costs some seconds to start.
    """
    ordered = sorted(set(days))
    if not ordered:
        return []
    gaps = [
        (later - earlier, number)
        for number, (earlier, later) in enumerate(pairwise(ordered), 1)
        if later - earlier > _WEEKEND
    ]
    widest = sorted(gaps, key=lambda gap: (-gap[0], gap[1]))[: most - 1]
    bounds = [0, *sorted(number for _, number in widest), len(ordered)]
    return [DayRange(ordered[start], ordered[end - 1]) for start, end in pairwise(bounds)]
