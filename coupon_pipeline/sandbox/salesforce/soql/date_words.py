"""What TODAY, LAST_MONTH or LAST_N_DAYS:7 stand for: a range of days, in UTC.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
"""

from datetime import date, timedelta

_WEEK = 7
_MONTHS = 12
_QUARTER = 3
_NINETY = 90


def days_of(word: str, count: int | None, today: date) -> tuple[date, date]:
    """The first day of the range, and the day after its last."""
    near = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
    if word in near:
        start = today + timedelta(near[word])
        return start, start + timedelta(1)
    if word == "N_DAYS_AGO":
        start = today - timedelta(count or 0)
        return start, start + timedelta(1)
    if word.endswith("_90_DAYS"):
        word, count = word.replace("_90_", "_N_"), _NINETY
    when, _, unit = word.partition("_")
    number = 1 if count is None else count
    if unit == "N_DAYS":
        following = today + timedelta(1)
        if when == "LAST":
            return today - timedelta(number), following
        return following, following + timedelta(number)
    return _whole_units(when, unit, number, today)


def _whole_units(when: str, unit: str, number: int, today: date) -> tuple[date, date]:
    start, steps = _unit(unit.removeprefix("N_").removesuffix("S"), today)
    if when == "THIS":
        return start, _stepped(start, steps, 1)
    if when == "LAST":
        return _stepped(start, steps, -number), start
    following = _stepped(start, steps, 1)
    return following, _stepped(following, steps, number)


def _unit(unit: str, today: date) -> tuple[date, str]:
    """The first day of the running week, month, quarter or year. Weeks begin on Sunday."""
    if unit == "WEEK":
        return today - timedelta((today.weekday() + 1) % _WEEK), unit
    if unit == "MONTH":
        return today.replace(day=1), unit
    if unit == "QUARTER":
        return date(today.year, (today.month - 1) // _QUARTER * _QUARTER + 1, 1), unit
    return date(today.year, 1, 1), unit


def _stepped(start: date, unit: str, count: int) -> date:
    if unit == "WEEK":
        return start + timedelta(_WEEK * count)
    months = {"MONTH": 1, "QUARTER": _QUARTER, "YEAR": _MONTHS}[unit] * count
    index = start.year * _MONTHS + start.month - 1 + months
    return date(index // _MONTHS, index % _MONTHS + 1, 1)
