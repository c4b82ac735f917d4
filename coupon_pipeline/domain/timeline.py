"""What happened to an order's coupons, by time: what was read, decided, written, and by people.

The writes tell of people's edits as well: what a write found there, held against what the write of
ours before it had left. A list that Stripe keeps can lose a discount without anybody's doing, when
it is used up, so that a difference says what changed and not who did it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from coupon_pipeline.domain.planned_writes import System
from coupon_pipeline.domain.raw_values import text_form
from coupon_pipeline.domain.records import CouponVersion
from coupon_pipeline.domain.targets import JsonValue
from coupon_pipeline.domain.versions import edited_fields

What: TypeAlias = Literal[
    "coupon_version",
    "association",
    "association_deleted",
    "activation",
    "order_coupon",
    "edited_after_activation",
    "snapshot",
    "stripe_coupon",
    "coupon_decision",
    "changed_in_between",
    "write",
    "attachment",
    "replacement",
    "problem",
    "problem_resolved",
]
"""In the order in which those of one moment are told: causes before what follows from them."""

_ORDER = {what: place for place, what in enumerate(get_args(What))}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a timeline."""

    at: datetime
    what: What
    text: str
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    request_id: str | None = None
    """As Stripe's dashboard finds it."""
    run_id: str | None = None
    plan_id: str | None = None
    """The saved plan that was carried out."""

    def as_json(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "at": self.at.isoformat(),
            "what": self.what,
            "text": self.text,
            "details": dict(self.details),
            "request_id": self.request_id,
            "run_id": self.run_id,
            "plan_id": self.plan_id,
        }


@dataclass(frozen=True, slots=True)
class PastWrite:
    """One write of ours with what became of it."""

    system: System
    operation: str
    target_id: str
    written_at: datetime
    actor: str
    run_id: str
    plan_id: str | None
    before: JsonValue
    """What was there, in the form of the body; None where it was not read."""
    body: JsonValue
    outcome: str | None
    """None while nobody knows."""
    request_id: str | None
    detail: str | None


def merged(*sources: Iterable[Event]) -> tuple[Event, ...]:
    """All events by time; those of one moment in the order of `What`."""
    events = [event for source in sources for event in source]
    return tuple(sorted(events, key=lambda event: (event.at, _ORDER[event.what])))


def events_of_versions(
    versions: Iterable[CouponVersion], activated_at: datetime, called: Mapping[str, str]
) -> Iterator[Event]:
    """States of quote coupons; one that took effect after the activation is a person's edit."""
    latest: dict[str, CouponVersion] = {}
    for version in sorted(versions, key=lambda each: each.effective_at):
        coupon_id = version.quote_coupon_id
        previous, latest[coupon_id] = latest.get(coupon_id), version
        changes = [] if previous is None else _changes(previous, version)
        late = version.effective_at > activated_at
        editor = text_form(version.fields.get("LastModifiedById"))
        told = "took the first form that is known of it"
        if changes:
            told = f"was edited{f' by {editor}' if editor else ''}: {'; '.join(changes)}"
            told += ", after the activation: what was signed stays" if late else ""
        yield Event(
            version.effective_at,
            "edited_after_activation" if late else "coupon_version",
            f"{_name(called, coupon_id)} {told}",
            {"quote_coupon_id": coupon_id, "changes": list(changes), "edited_by": editor},
        )


def events_of_writes(
    writes: Iterable[PastWrite],
    called: Mapping[str, str],
    discounts: Mapping[str, frozenset[str]],
) -> Iterator[Event]:
    """Each write, and before it what had changed since the write of ours before it.

    Args:
        writes: in the order in which they left.
        called: what their targets are called, by id.
        discounts: the discounts that are known to have been made from each coupon, by its id.
    """
    left: dict[tuple[str, str], tuple[PastWrite, dict[str, JsonValue]]] = {}
    for write in writes:
        key = (write.system, write.target_id)
        earlier = left.get(key)
        if earlier is not None:
            yield from _changed_in_between(earlier[0], earlier[1], write, called, discounts)
        if write.outcome == "done":
            known = earlier[1] if earlier else {}
            left[key] = (write, known | _places(write.body))
        elif write.outcome != "refused":  # nobody can say what it left
            left.pop(key, None)
        yield _event_of(write, called)


def _event_of(write: PastWrite, called: Mapping[str, str]) -> Event:
    system = "Stripe" if write.system == "stripe" else "Salesforce"
    detail = f" ({write.detail})" if write.detail and write.outcome != "done" else ""
    return Event(
        write.written_at,
        "write",
        f"{system}: {write.operation} of {_name(called, write.target_id)}: "
        f"{write.outcome or 'nobody knows yet what became of it'}{detail}",
        {
            "system": write.system,
            "operation": write.operation,
            "target_id": write.target_id,
            "actor": write.actor,
            "before": write.before,
            "body": write.body,
            "outcome": write.outcome,
            "detail": write.detail,
        },
        write.request_id,
        write.run_id,
        write.plan_id,
    )


def _changed_in_between(
    earlier: PastWrite,
    left: Mapping[str, JsonValue],
    write: PastWrite,
    called: Mapping[str, str],
    discounts: Mapping[str, frozenset[str]],
) -> Iterator[Event]:
    changes = [
        change
        for place, found in _places(write.before).items()
        if place in left
        for change in _differences(place, left[place], found, discounts)
    ]
    if changes:
        yield Event(
            write.written_at,
            "changed_in_between",
            f"{_name(called, write.target_id)} was no longer what our write at "
            f"{earlier.written_at:%Y-%m-%d %H:%M:%S} UTC left: {'; '.join(changes)}",
            {
                "target_id": write.target_id,
                "changes": list(changes),
                "left_by_request": earlier.request_id,
                "left_by_run": earlier.run_id,
            },
            run_id=write.run_id,
        )


def _places(state: JsonValue, path: str = "") -> dict[str, JsonValue]:
    """Lists of discounts and single values, by where they are; an element is told by its own key.

    What a write sends beside them, such as a phase's dates, is compared in no way: only what
    `before` has as well is.
    """
    if isinstance(state, Mapping):
        found: dict[str, JsonValue] = {}
        for name, value in state.items():
            here = f"{path}.{name}" if path else name
            found |= {here: value} if name == "discounts" else _places(value, here)
        return found
    if isinstance(state, Sequence) and not isinstance(state, str):
        return {
            place: value
            for number, each in enumerate(state)
            for place, value in _places(each, f"{path}[{_key(each, number)}]").items()
        }
    return {path: state}


def _key(element: JsonValue, number: int) -> str:
    """An item's id or a phase's start; an item of a phase has its place and its price."""
    if isinstance(element, Mapping):
        for name in ("id", "start_date"):
            if name in element:
                return str(element[name])
        return f"{number} {element.get('price')}"
    return str(number)


def _differences(
    place: str, left: JsonValue, found: JsonValue, discounts: Mapping[str, frozenset[str]]
) -> Iterator[str]:
    if place.rpartition(".")[2] != "discounts":
        if (left or None) != (found or None):  # an empty text takes a key of metadata away
            yield f"{place} was {left or 'empty'} and became {found or 'empty'}"
        return
    known = {} if place.startswith("phases") else discounts  # a later phase makes its own
    gone, new = _entries(left), []
    for entry in _entries(found):
        if entry in gone:
            gone.remove(entry)
        elif (grant := _grant_of(entry, gone, known)) is not None:
            gone.remove(grant)
        else:
            new.append(entry)
    for _, object_id in new:
        yield f"{place} has {object_id}, which we did not put there"
    for _, object_id in gone:
        yield f"{place} has {object_id} no more: taken away, or used up"


def _entries(value: JsonValue) -> list[tuple[str, str]]:
    """Kind and id of each entry of a list as it is sent; Stripe takes an empty text for none."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [
        (kind, str(object_id))
        for each in value
        if isinstance(each, Mapping)
        for kind, object_id in each.items()
    ]


def _grant_of(
    entry: tuple[str, str],
    sent: Sequence[tuple[str, str]],
    discounts: Mapping[str, frozenset[str]],
) -> tuple[str, str] | None:
    """The grant that a discount came from: one that is known to have made it, or may have."""
    kind, discount_id = entry
    if kind != "discount":
        return None
    grants = [each for each in sent if each[0] != "discount"]
    made = [each for each in grants if discount_id in discounts.get(each[1], ())]
    may_have = [each for each in grants if not discounts.get(each[1])]
    return next(iter(made or may_have), None)


def _changes(previous: CouponVersion, current: CouponVersion) -> list[str]:
    changes = [
        f"{name} was {text_form(previous.fields[name]) or 'empty'} and became "
        f"{text_form(current.fields[name]) or 'empty'}"
        for name in edited_fields(previous, current)
    ]
    if previous.currency != current.currency:
        changes.append(f"its currency was {previous.currency} and became {current.currency}")
    return changes


def _name(called: Mapping[str, str], record_id: str) -> str:
    return called.get(record_id, record_id)
