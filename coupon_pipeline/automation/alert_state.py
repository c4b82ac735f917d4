"""What is wrong now, by the runs that ended; and which of it is news.

A trouble is a run that failed or a check that did not pass. It stays open until a later run says
otherwise about the same days. People are told when a code appears, once a day while it stays, and
when nothing of it is left, however many runs there were in between.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import Literal, TypeAlias

from pydantic import TypeAdapter, ValidationError

Days: TypeAlias = tuple[date, date]
"""First and last activation day, both included."""

REMIND_AFTER = timedelta(hours=24)
PATIENCE = timedelta(minutes=20)
"""For what may pass by itself: an outage, a run that is tried again. The change sensor has
tried three times by then."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is not as it should be, as one run found it."""

    code: str
    message: str
    remedy: str
    run_id: str
    source: str
    """What started the run."""
    days: Days | None
    """None where it is about no days in particular."""
    tables: frozenset[str]
    """Those that the run was to make, or the checks of a run that makes none; none for a check."""
    since: datetime
    """When its code was first seen of those that are open."""
    may_pass: bool = False
    """Whether it is tried again, or of a kind that ends without anybody's doing."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """What a run proves to be right again."""

    code: str | None = None
    """The code of a check; None for failures of runs."""
    days: Days | None = None
    """None for all of them."""
    tables: frozenset[str] = frozenset()
    """Those that were made."""
    source: str | None = None
    """A schedule whose earlier runs this one stands for, whatever days they had."""

    def leaves(self, trouble: Trouble) -> list[Trouble]:
        """What is left of a trouble: the days that nothing was said about."""
        if self.code is not None or trouble.code.startswith(CHECK):
            if self.code != trouble.code:
                return [trouble]
        elif not self.tables >= trouble.tables:
            return [trouble]
        elif self.source is not None and self.source == trouble.source:
            return []
        if self.days is None or trouble.days == self.days:
            return []
        if trouble.days is None:
            return [trouble]
        return [replace(trouble, days=days) for days in _without(trouble.days, self.days)]


@dataclass(frozen=True, slots=True)
class Ending:
    """A run that ended: what it proves, and what it found wrong."""

    run_id: str
    cleared: tuple[Cleared, ...]
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True, slots=True)
class News:
    """A change that people are told of."""

    kind: Literal["failing", "still_failing", "recovered"]
    code: str
    since: datetime
    troubles: tuple[Trouble, ...] = ()
    """What is open of the code, the latest first; nothing when it recovered."""


@dataclass(frozen=True, slots=True)
class Told:
    """What people know of a code."""

    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class AlertState:
    """The cursor of an alert sensor."""

    position: datetime
    """Runs that ended before it were looked at."""
    seen: frozenset[str] = frozenset()
    """Runs that ended after it and were looked at."""
    open: tuple[Trouble, ...] = ()
    told: dict[str, Told] = field(default_factory=dict)

    def after(self, endings: Iterable[Ending], now: datetime) -> tuple["AlertState", list[News]]:
        """The state once these runs are known, in the order in which they ended, and the news."""
        troubles = list(self.open)
        for ending in endings:
            for cleared in ending.cleared:
                troubles = [left for each in troubles for left in cleared.leaves(each)]
            for trouble in ending.troubles:
                troubles = _with(troubles, trouble)
        told, news = dict(self.told), []
        for code in sorted({each.code for each in troubles} | told.keys()):
            found = [each for each in reversed(troubles) if each.code == code]
            known = told.get(code)
            if not found:
                news.append(News("recovered", code, told.pop(code).since))
                continue
            since = min(each.since for each in found)
            if known is None and _is_to_be_told(found, now):
                news.append(News("failing", code, since, tuple(found)))
            elif known is not None and now - known.at >= REMIND_AFTER:
                news.append(News("still_failing", code, known.since, tuple(found)))
            else:
                continue
            told[code] = Told(since if known is None else known.since, now)
        return replace(self, open=tuple(troubles), told=told), news

    def to_text(self) -> str:
        """As Dagster keeps it."""
        return _STATE.dump_json(self).decode()

    @classmethod
    def from_text(cls, text: str | None, beginning: datetime) -> "AlertState":
        """The inverse of `to_text`; nothing, or what somebody typed, starts at `beginning`."""
        try:
            return _STATE.validate_json(text or "")
        except ValidationError:
            return cls(beginning)


CHECK = "check."
"""Before the name of a check, as the code of what it found."""
_STATE = TypeAdapter(AlertState)


def _is_to_be_told(found: Sequence[Trouble], now: datetime) -> bool:
    return any(not each.may_pass or now - each.since >= PATIENCE for each in found)


def _with(troubles: Sequence[Trouble], new: Trouble) -> list[Trouble]:
    """The new one in place of what it repeats, so that their number stays small."""
    again = Cleared(
        new.code if new.code.startswith(CHECK) else None, days=new.days, tables=new.tables
    )
    since = min((each.since for each in troubles if each.code == new.code), default=new.since)
    kept = [
        left
        for each in troubles
        for left in (again.leaves(each) if each.code == new.code else [each])
    ]
    return [*kept, replace(new, since=min(since, new.since))]


def _without(days: Days, done: Days) -> list[Days]:
    """The parts of a range that another one does not cover."""
    one = timedelta(days=1)
    parts = [(days[0], min(days[1], done[0] - one)), (max(days[0], done[1] + one), days[1])]
    if done[1] < days[0] or days[1] < done[0]:
        return [days]
    return [part for part in parts if part[0] <= part[1]]
