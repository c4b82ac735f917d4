"""What the change sensor remembers between two looks, and which changes are new to it.

A write to Salesforce carries the stamp of when it was made and becomes visible when its transaction
ends, up to ten minutes later. So each look begins ten minutes before the latest stamp seen,
and what was seen in that time is remembered, in order to ask for each change once.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from coupon_pipeline.domain.ids import normalise_id
from coupon_pipeline.salesforce import ChangeCursor

OVERLAP = timedelta(minutes=10)
_CLOCK_DIFFERENCE = timedelta(minutes=2)
_LOWEST_ID = "000000000000000AAA"


@dataclass(frozen=True, slots=True)
class SeenChanges:
    """How far one kind of record was followed."""

    position: ChangeCursor | None = None
    """Where the next look begins; `None` is at the beginning of all."""
    stamps: Mapping[str, datetime] = field(default_factory=dict)
    """Stamps seen since then, by record id."""

    def is_new(self, record_id: str, changed_at: datetime) -> bool:
        """Whether this state of the record was not seen before."""
        known = self.stamps.get(record_id)
        return known is None or changed_at > known

    def after(
        self,
        changes: Iterable[tuple[str, datetime]],
        end: ChangeCursor | None,
        looked_at: datetime,
        *,
        is_complete: bool,
        too_early: Collection[str] = (),
    ) -> "SeenChanges":
        """What to remember after a look.

        Args:
            changes: record id and stamp of all that was read, new or not.
            end: the position of the last one.
            looked_at: the time of looking.
            is_complete: whether there was nothing more to read. Otherwise the next look goes on at
                `end`, or earlier if rows before it may still become visible.
            too_early: records of the changes that the next looks are to tell as new.
        """
        read = dict(changes)
        stamps = {**self.stamps, **{i: at for i, at in read.items() if i not in too_early}}
        if not stamps or end is None:
            return self
        begin = max(stamps.values()) - OVERLAP
        if is_complete:
            position = ChangeCursor(begin, _LOWEST_ID)
        else:
            settled = ChangeCursor(looked_at - OVERLAP - _CLOCK_DIFFERENCE, _LOWEST_ID)
            position = _earliest(end, settled)
        if too_early:
            held_back = min(read[record_id] for record_id in too_early)
            position = _earliest(position, ChangeCursor(held_back, _LOWEST_ID))
        oldest = min(begin, position.at)
        return SeenChanges(position, {i: at for i, at in stamps.items() if at >= oldest})

    def as_json(self) -> dict[str, object]:
        """For the sensor's cursor."""
        return {
            "position": None
            if self.position is None
            else [self.position.at.isoformat(), self.position.record_id],
            "stamps": {record_id: at.isoformat() for record_id, at in self.stamps.items()},
        }

    @classmethod
    def from_json(cls, document: Mapping[str, object]) -> "SeenChanges":
        """The inverse of `as_json`."""
        position, stamps = document["position"], document["stamps"]
        assert isinstance(stamps, dict), "written by as_json"
        found = None
        if position is not None:
            assert isinstance(position, list), "written by as_json"
            at, record_id = position
            found = ChangeCursor(_moment(at), normalise_id(record_id))
        return cls(found, {str(i): _moment(at) for i, at in stamps.items()})


def _earliest(*cursors: ChangeCursor) -> ChangeCursor:
    return min(cursors, key=lambda cursor: (cursor.at, cursor.record_id))


def _moment(text: str) -> datetime:
    """Raises: ValueError, where the text is no moment, or one of no time zone."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} is of no time zone")
    return at


@dataclass(frozen=True, slots=True)
class SensorMemory:
    """The cursor of the change sensor."""

    orders: SeenChanges = SeenChanges()
    coupons: SeenChanges = SeenChanges()
    retried_at: datetime | None = None
    """When pending days were last asked for."""
    about: str | None = None
    """The org and the ledger; of others nothing is known."""

    def of(self, about: str) -> "SensorMemory":
        """What is remembered of this org and ledger."""
        is_known = self.about is None or self.about == about
        return replace(self, about=about) if is_known else SensorMemory(about=about)

    def to_text(self) -> str:
        """As Dagster keeps it."""
        return json.dumps(
            {
                "orders": self.orders.as_json(),
                "coupons": self.coupons.as_json(),
                "retried_at": None if self.retried_at is None else self.retried_at.isoformat(),
                "about": self.about,
            }
        )

    @classmethod
    def from_text(cls, text: str | None) -> "SensorMemory":
        """The inverse of `to_text`; nothing, or what somebody typed, starts from the beginning."""
        try:
            document = json.loads(text or "")
            retried = document["retried_at"]
            return cls(
                SeenChanges.from_json(document["orders"]),
                SeenChanges.from_json(document["coupons"]),
                None if retried is None else _moment(retried),
                document.get("about"),
            )
        except (ValueError, KeyError, TypeError, AssertionError):
            return cls()
