"""What somebody edited on a schedule between a read and a write of ours, which undid it.

A write sends every current and future phase as it was read, and its answer shows no more than that.
The event of the write has the phases as they were just before: of a list that changed,
`previous_attributes` holds all of it (https://docs.stripe.com/api/events/object). An event has the
form of the account's own API version. So a field counts as edited only where the event itself shows
that the write changed it, and where the write sent something else than what was there.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple, TypeAlias

from coupon_pipeline.domain.phases import writable
from coupon_pipeline.domain.proof import PROOF_KEYS
from coupon_pipeline.domain.targets import JsonValue, ScheduleState

Json: TypeAlias = Mapping[str, JsonValue]
"""An object of a reply or of a request."""


class Place(NamedTuple):
    """What of a phase it is."""

    name: str
    """A field, `metadata` with its key, or `""` for the phase as such."""
    item: str = ""
    """Which of the phase's items, if one of them has it."""

    @property
    def words(self) -> str:
        """For the middle of a sentence."""
        return f"{self.name} of {self.item}" if self.item else self.name


@dataclass(frozen=True, slots=True)
class RewrittenPhases:
    """That a request changed the phases of a schedule, as an event tells it."""

    schedule_id: str
    before: Sequence[Json]
    after: Sequence[Json]
    began: int | None
    """When the phase began that is on after the request, in Unix seconds; None where none is."""
    request_id: str | None
    idempotency_key: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class PhaseEdit:
    """One thing that somebody changed in a phase and that a write of ours changed back."""

    schedule_id: str
    phase: int
    """When it begins, in Unix seconds."""
    place: Place
    edited: str | None = None
    """What somebody made of it; None where they took it away, and for a list of discounts."""
    sent: str | None = None
    """What the write made of it; None where it sent nothing, and for a list of discounts."""
    added: frozenset[str] = frozenset()
    """Discounts that somebody put on the list, by the ids that it names."""
    taken: frozenset[str] = frozenset()
    """Discounts that somebody took off the list."""

    @property
    def words(self) -> str:
        """Which it is, for a sentence that says that it was undone."""
        phase = f"the phase that begins {datetime.fromtimestamp(self.phase, UTC):%Y-%m-%d}"
        lists = [
            f"{', '.join(sorted(names))} {what}"
            for names, what in ((self.added, "added"), (self.taken, "taken away"))
            if names
        ]
        if lists:
            return f"{' and '.join(lists)} in {self.place.words} of {phase}"
        if self.place == WHOLE_PHASE:
            return f"{phase} {'added' if self.sent is None else 'taken away'}"
        was, is_now = ("nothing" if each is None else each for each in (self.edited, self.sent))
        return f"{self.place.words} of {phase} ({was}, now {is_now} again)"

    def is_undone(self, schedule: ScheduleState) -> bool:
        """Whether this place of the schedule is still as the write left it."""
        body = {phase.start_date: phase.body for phase in schedule.phases}.get(self.phase)
        shown = None if body is None else writable(body)
        if self.added or self.taken:
            found = _lists(shown).get(self.place, frozenset())
            return bool(self.added - found or self.taken & found)
        return _values(shown).get(self.place) == self.sent


WHOLE_PHASE = Place("")
_ITEMS = Place("items")
_NOT_COMPARED = frozenset({"start_date", "items", "discounts"})


def phase_edits(event: RewrittenPhases, read: Json, sent: Json) -> Iterator[PhaseEdit]:
    """What of others' a write of ours undid, phase by phase.

    What was put on the phase that is on is left out: each discount that a write takes off a
    subscription has an event of its own.

    Args:
        event: what the write changed.
        read: the discounts of its phases as they were read before, in the form of a request.
        sent: its parameters.
    """
    knew, wanted, after = _by_start(read), _by_start(sent), _shown(event.after)
    if not wanted:
        return
    first = min(wanted)
    there = {start: phase for start, phase in _shown(event.before).items() if start >= first}
    for start in sorted(there.keys() | wanted.keys()):
        was, is_now, made = there.get(start), after.get(start), wanted.get(start)
        values = _values(was), _values(is_now), _values(made)
        for place in _places(values[0], values[2]):
            edited, shown, ours = (each.get(place) for each in values)
            if edited not in (ours, shown):
                yield PhaseEdit(event.schedule_id, start, place, edited, ours)
        if was is None or made is None or start == event.began:
            continue
        lists = _lists(was), _lists(is_now), _lists(made), _lists(knew.get(start))
        for place in sorted(lists[0].keys() | lists[2].keys()):
            old, new, ours_, known = (each.get(place, frozenset()) for each in lists)
            added, taken = old - new - ours_ - known, (new & ours_ & known) - old
            if added or taken:
                yield PhaseEdit(event.schedule_id, start, place, added=added, taken=taken)


def _places(was: Mapping[Place, str], made: Mapping[Place, str]) -> list[Place]:
    """Those to compare: none within a phase that is not there, nor within items that are others."""
    if not (was and made):
        return [WHOLE_PHASE]
    places = was.keys() | made.keys()
    if was.get(_ITEMS) != made.get(_ITEMS):
        places = {place for place in places if not place.item}
    return sorted(places)


def _shown(phases: Sequence[Json]) -> dict[int, Json]:
    """Phases in the form of a reply, by their start, in the form of a request."""
    return _by_start({"phases": [writable(phase) for phase in phases]})


def _by_start(params: Json) -> dict[int, Json]:
    found = {phase.get("start_date"): phase for phase in _objects(params.get("phases"))}
    return {start: phase for start, phase in found.items() if isinstance(start, int)}


def _values(phase: Json | None) -> dict[Place, str]:
    """Everything in a phase but its discounts; nothing of one that is not there."""
    if phase is None:
        return {}
    items = _objects(phase.get("items"))
    found = {WHOLE_PHASE: "there", _ITEMS: ", ".join(str(each.get("price")) for each in items)}
    found |= {Place(name): text for name, text in _texts(phase)}
    for number, item in enumerate(items, 1):
        found |= {Place(name, _called(number, item)): text for name, text in _texts(item)}
    return found


def _lists(phase: Json | None) -> dict[Place, frozenset[str]]:
    """The ids that each list of discounts in a phase names."""
    if phase is None:
        return {}
    items = _objects(phase.get("items"))
    found = {Place("discounts"): _named(phase)}
    return found | {
        Place("discounts", _called(number, item)): _named(item)
        for number, item in enumerate(items, 1)
    }


def _called(number: int, item: Json) -> str:
    return f"item {number} ({item.get('price')})"


def _named(holder: Json) -> frozenset[str]:
    entries = _objects(holder.get("discounts"))
    return frozenset(str(reference) for entry in entries for reference in entry.values())


def _texts(thing: Json) -> Iterator[tuple[str, str]]:
    for name, value in thing.items():
        if name == "metadata" and isinstance(value, Mapping):
            for key, text in value.items():
                if key not in PROOF_KEYS:
                    yield f"metadata {key}", str(text)
        elif name not in _NOT_COMPARED:
            yield name, _text(value)


def _text(value: JsonValue) -> str:
    """The same for a decimal that was read and for one that the ledger keeps as text."""
    if isinstance(value, str | Decimal):
        return str(value)
    return json.dumps(value, sort_keys=True, default=str)


def _objects(value: JsonValue) -> list[Json]:
    listed = value if isinstance(value, list | tuple) else ()
    return [each for each in listed if isinstance(each, Mapping)]
