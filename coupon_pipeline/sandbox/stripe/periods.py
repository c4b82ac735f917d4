"""Calendar arithmetic of billing periods, in unix seconds and UTC."""

import calendar
from datetime import UTC, datetime
from typing import Final

DAY: Final = 24 * 60 * 60
MONTHS: Final = {"month": 1, "year": 12}
DAYS: Final = {"day": 1, "week": 7}


def add_months(start: int, months: int) -> int:
    """The same day and time so many months on, or that month's last day."""
    begin = datetime.fromtimestamp(start, UTC)
    month = begin.month - 1 + months
    year = begin.year + month // 12
    month = month % 12 + 1
    day = min(begin.day, calendar.monthrange(year, month)[1])
    return int(begin.replace(year=year, month=month, day=day).timestamp())


def after(start: int, interval: str, count: int) -> int:
    """The end of `count` intervals that begin at `start`."""
    if interval in MONTHS:
        return add_months(start, MONTHS[interval] * count)
    return start + DAYS[interval] * DAY * count


def next_boundary(anchor: int, interval: str, count: int, moment: int) -> int:
    """The first boundary after a moment of periods that are counted from an anchor.

    Counting from the anchor keeps the 31st from sliding to the 28th for good.
    """
    if interval in MONTHS:
        step = MONTHS[interval] * count
        begin, now = datetime.fromtimestamp(anchor, UTC), datetime.fromtimestamp(moment, UTC)
        months = (now.year - begin.year) * 12 + now.month - begin.month
        number = months // step - 1
        while add_months(anchor, number * step) <= moment:
            number += 1
        return add_months(anchor, number * step)
    length = DAYS[interval] * DAY * count
    return anchor + ((moment - anchor) // length + 1) * length
