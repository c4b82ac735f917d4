"""The time that both services live in: it can be moved forward, and nobody has to wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

AdvanceListener = Callable[[datetime, datetime], None]


class Clock:
    """UTC, aware. Ticks with real time plus an offset, or stands still when `frozen`."""

    def __init__(self, start: datetime | None = None, frozen: bool = False) -> None:  # noqa: FBT001, FBT002 - the agreed signature
        real = datetime.now(UTC)
        begin = _aware(start) if start is not None else real
        self.frozen = frozen
        self._standing = begin
        self._offset = begin - real
        self._pinned: datetime | None = None
        self._listeners: list[AdvanceListener] = []

    def now(self) -> datetime:
        """The moment it is for both services."""
        return self._pinned or self.present()

    def present(self) -> datetime:
        """The moment it is, also while history is being written."""
        return self._standing if self.frozen else datetime.now(UTC) + self._offset

    def advance(self, by: timedelta) -> None:
        """Move forward and tell the listeners, who let happen what falls in between."""
        if by < timedelta(0):
            raise ValueError("The clock only goes forward.")
        before = self.now()
        after = before + by
        self._standing = after
        self._offset += by
        for listener in self._listeners:
            listener(before, after)

    def set(self, to: datetime) -> None:
        """Move forward to a moment; one that has passed is refused with ValueError."""
        self.advance(_aware(to) - self.now())

    def on_advance(self, listener: AdvanceListener) -> None:
        """Call `listener(before, after)` at each `advance` and `set`."""
        self._listeners.append(listener)

    def memory(self) -> dict[str, str | bool | float]:
        """What `recall` needs to go on from here after a restart."""
        return {
            "frozen": self.frozen,
            "standing": self._standing.isoformat(),
            "offset_seconds": self._offset.total_seconds(),
        }

    def recall(self, standing: datetime, offset: timedelta) -> None:
        """Go on where an earlier run was, without telling anybody: the state already knows."""
        self._standing = _aware(standing)
        self._offset = offset

    @contextmanager
    def writing_history(self) -> Iterator[Callable[[datetime], None]]:
        """Let the past be written: `now()` is the moment last given; listeners hear nothing.

        The company's records are created through the services' own code, one after the
        other, at the times when they are supposed to have happened.
        """
        present = self.now()

        def stand_at(moment: datetime) -> None:
            if _aware(moment) > present:
                raise ValueError("History lies before the present.")
            self._pinned = _aware(moment)

        try:
            yield stand_at
        finally:
            self._pinned = None


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("The clock takes aware datetimes only.")
    return moment.astimezone(UTC)
