"""What the change sensor remembers."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.automation.seen_changes import SeenChanges, SensorMemory
from coupon_pipeline.salesforce import ChangeCursor

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
IDS = [f"8018800000000{n:02d}AAA" for n in range(5)]


@dataclass(frozen=True)
class Write:
    """A write to a record: stamped at one time, visible at another, within ten minutes."""

    record_id: str
    stamp: datetime
    visible: datetime


@st.composite
def writes(draw: st.DrawFn) -> list[Write]:
    """Writes over two hours, each visible up to ten minutes after its stamp."""
    made = []
    for _ in range(draw(st.integers(0, 20))):
        stamp = START + timedelta(seconds=draw(st.integers(0, 7200)))
        late = timedelta(seconds=draw(st.integers(0, 599)))
        made.append(Write(draw(st.sampled_from(IDS)), stamp, stamp + late))
    return made


def _state(made: list[Write], at: datetime) -> dict[str, datetime]:
    """The latest visible stamp of each record."""
    state: dict[str, datetime] = {}
    for write in made:
        if write.visible <= at:
            state[write.record_id] = max(write.stamp, state.get(write.record_id, write.stamp))
    return state


def _look(
    seen: SeenChanges, state: dict[str, datetime], most: int, now: datetime
) -> tuple[list[tuple[str, datetime]], SeenChanges]:
    """A look that reads at most so many records."""
    behind = sorted(
        (stamp, record_id)
        for record_id, stamp in state.items()
        if seen.position is None or (stamp, record_id) > (seen.position.at, seen.position.record_id)
    )
    read = [(record_id, stamp) for stamp, record_id in behind[:most]]
    end = ChangeCursor(read[-1][1], read[-1][0]) if read else seen.position
    new = [change for change in read if seen.is_new(*change)]
    return new, seen.after(read, end, now, is_complete=len(behind) <= most)


@given(writes(), st.lists(st.integers(0, 9000), max_size=12), st.integers(1, 4))
def test_each_visible_change_is_told_once_however_late_it_shows_and_however_seldom_we_look(
    made: list[Write], looks: list[int], most: int
) -> None:
    """A long transaction shows its rows behind the position; an outage skips many looks."""
    seen = SeenChanges()
    told: list[tuple[str, datetime]] = []
    at = START + timedelta(hours=3)
    for moment in [*(START + timedelta(seconds=second) for second in sorted(looks)), *[at] * 12]:
        new, seen = _look(seen, _state(made, moment), most, moment)
        told += new
        seen = SensorMemory.from_text(SensorMemory(orders=seen).to_text()).orders

    assert len(told) == len(set(told))
    assert set(_state(made, at).items()) <= set(told)


def test_a_cursor_that_somebody_typed_starts_from_the_beginning() -> None:
    """The page of a sensor lets anybody edit it."""
    assert SensorMemory.from_text("17") == SensorMemory()
    assert SensorMemory.from_text(None) == SensorMemory()
    assert SensorMemory.from_text('{"orders": 1, "coupons": {}, "retried_at": null}') == (
        SensorMemory()
    )
    seen: dict[str, object] = {"position": None, "stamps": {}}
    typed = {"orders": seen, "coupons": seen, "retried_at": None, "about": ["acme"]}
    assert SensorMemory.from_text(json.dumps(typed)).of("acme") == SensorMemory(about="acme")


@pytest.mark.parametrize(
    "position",
    [
        [],
        ["2026-11-01T00:00:00", IDS[0]],
        ["2026-11-01T00:00:00+00:00", 7],
        ["2026-11-01T00:00:00+00:00", ""],
    ],
)
def test_a_position_that_somebody_typed_wrong_starts_from_the_beginning(position: object) -> None:
    """Every look would fail otherwise, until somebody resets the sensor."""
    seen: dict[str, object] = {"position": None, "stamps": {}}
    typed = {"orders": {**seen, "position": position}, "coupons": seen, "retried_at": None}

    assert SensorMemory.from_text(json.dumps(typed)) == SensorMemory()


def test_what_came_too_early_is_new_until_it_is_taken_and_all_else_is_told_once() -> None:
    """Others are written meanwhile, for longer than looks overlap."""
    seen, told, early = SeenChanges(), list[str](), IDS[0]
    state = {early: START}
    for minutes, record_id in enumerate(IDS[1:], 1):
        now = START + timedelta(minutes=minutes * 8)
        state[record_id] = now
        read = sorted(
            (at, i)
            for i, at in state.items()
            if seen.position is None or ((at, i) > (seen.position.at, seen.position.record_id))
        )
        too_early = {early} if record_id != IDS[4] else set[str]()
        told += [i for at, i in read if i not in too_early and seen.is_new(i, at)]
        end = ChangeCursor(*read[-1])
        changes = [(i, at) for at, i in read]
        seen = seen.after(changes, end, now, is_complete=True, too_early=too_early)

    assert sorted(told) == IDS
