"""How far a stage is: a line now and then, so that a long load is seen to move.

A stage counts what it has behind it; how much there is to do is told where it is known. Nothing is
said of a stage that is done within seconds.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

SECONDS_BETWEEN_LINES = 10
"""At first. Later a line comes each time that a twentieth more of the time has passed..."""
_MOST_SECONDS_BETWEEN_LINES = 60
"""...but at least each minute."""
_MINUTE, _HOUR = 60, 3600


@dataclass(slots=True)
class _Count:
    began: float
    done: int = 0
    total: int = 0
    """0 where nobody knows."""

    def __str__(self) -> str:
        return f"{self.done:,} of {self.total:,}" if self.total else f"{self.done:,}"


class Progress:
    """Counts of one stage after the other; `tell` is given a line at bounded intervals.

    Other threads of the stage may count; lines are told in the stage's own.
    """

    def __init__(
        self,
        tell: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        every: float = SECONDS_BETWEEN_LINES,
    ) -> None:
        """Without `tell`, nobody is told.

        Args:
            tell: takes a line.
            clock: seconds, from any start.
            every: seconds that pass before a line, at first.
        """
        self._tell = tell
        self._clock = clock
        self._every = every
        self._lock = threading.Lock()
        self.begin()

    def begin(self, stage: str = "") -> None:
        """A stage begins: nothing of it is done. Its name is told where nothing else tells it."""
        self._prefix = f"{stage}: " if stage else ""
        self._counts: dict[str, _Count] = {}
        self._thread = threading.get_ident()
        self._began = self._told = self._clock()

    def expect(self, what: str, number: int) -> None:
        """There is so much more to do of this."""
        with self._lock:
            if number:
                self._count(what).total += number

    def advance(self, what: str, number: int = 1) -> None:
        """So much more of this is done."""
        if not number:
            return
        with self._lock:
            self._count(what).done += number
            line = self._due_line()
        if line is not None and self._tell is not None:
            self._tell(line)

    def over(self, what: str, portions: Iterable[Sequence[T]]) -> Iterator[Sequence[T]]:
        """The portions, each counted when the next one is asked for: until then it is in work."""
        for portion in portions:
            yield portion
            self.advance(what, len(portion))

    def _count(self, what: str) -> _Count:
        return self._counts.setdefault(what, _Count(self._clock()))

    def _due_line(self) -> str | None:
        if threading.get_ident() != self._thread:
            return None
        at = self._clock()
        pause = max(self._every, min(_MOST_SECONDS_BETWEEN_LINES, (at - self._began) / 20))
        if at - self._told < pause:
            return None
        self._told = at
        return self._line(at)

    def _line(self, at: float) -> str:
        told = [f"{what} {count}" for what, count in self._counts.items()]
        ahead = next((c for c in self._counts.values() if c.done < c.total), None)
        if ahead is not None and ahead.done:
            left = (at - ahead.began) * (ahead.total - ahead.done) / ahead.done
            told.append(f"about {_spoken(left)} left")
        return self._prefix + ", ".join(told)


def _spoken(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR:
        return f"{round(seconds / _MINUTE)} min"
    return f"{seconds / _HOUR:.1f} h"
