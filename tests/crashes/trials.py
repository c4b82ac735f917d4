"""One scenario, one or two crashes, a rerun, and what is wrong afterwards."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias

import dagster as dg
import pytest

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.serving import Sandbox
from tests.crashes.in_process import Life
from tests.crashes.points import Event, Point
from tests.crashes.scenarios import Scenario, Stage
from tests.crashes.states import BothSystems, Found, differences, read_both
from tests.world import World

Wait: TypeAlias = Literal["at once", "a day later", "after an invoice"]
"""Between crash and rerun: idempotency keys are kept, expired, or expired with `once` spent."""

Kill: TypeAlias = Callable[[World, Point], bool]
"""Runs until it is killed at a point; whether the point was reached."""

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a scenario comes to without a crash."""

    events: Sequence[Event]
    state: BothSystems


@contextmanager
def staged(scenario: Scenario, folder: Path, instance: dg.DagsterInstance) -> Iterator[World]:
    """A world in which everything is ready for the run that is interrupted."""
    with (
        pytest.MonkeyPatch.context() as env,
        Sandbox(company=False, clock=Clock(NOW, frozen=True)) as sandbox,
    ):
        world = World(sandbox, folder, instance, env)
        for left in folder.iterdir():
            left.unlink()
        stage = Stage(world, scenario)
        if stage.prepare_earlier():
            assert Life(world).run(), "the earlier run is not disturbed"
        stage.prepare()
        yield world


def let_pass(world: World, wait: Wait) -> None:
    """The time between a crash and the rerun."""
    if wait == "a day later":
        world.let_time_pass(hours=25)
    if wait == "after an invoice":
        world.let_time_pass(days=40)


def undisturbed(
    scenario: Scenario, wait: Wait, folder: Path, instance: dg.DagsterInstance
) -> Undisturbed:
    """The run without a crash, the same wait, and a second run."""
    with staged(scenario, folder, instance) as world:
        first = Life(world)
        assert first.run()
        let_pass(world, wait)
        assert Life(world).run()
        return Undisturbed(first.events, read_both(world))


def try_crash(
    scenario: Scenario,
    points: Sequence[Point],
    wait: Wait,
    wanted: BothSystems,
    folder: Path,
    instance: dg.DagsterInstance,
    *,
    kill: Kill | None = None,
    settle: bool = False,
) -> Found:
    """Crash at each point in turn, run again, compare; with `settle`, one more run must do nothing.

    The run after a first crash may have less to do and end before it comes to the second point.

    Raises:
        LookupError: the first point was not reached.
    """
    with staged(scenario, folder, instance) as world:
        for number, point in enumerate(points):
            killed = (kill or kill_in_process)(world, point)
            if not killed and number == 0:
                raise LookupError(f"{scenario}: a run does not come to the point {point}.")
            let_pass(world, wait)
        if not Life(world).run():
            raise AssertionError("nothing kills the rerun")
        after = read_both(world)
        found = differences(wanted, after, spent=wait == "after an invoice")
        open_intents = _open_intents(world)
        if open_intents:
            found.add("another difference", f"open intents after the rerun: {open_intents}")
        if settle:
            again = Life(world)
            again.run()
            if any(event.writes for event in again.events) or read_both(world) != after:
                found.add("more than one extra run", "the second rerun still wrote something")
        return found


def kill_in_process(world: World, point: Point) -> bool:
    """Die at the point without losing this process."""
    return not Life(world, point).run()


def _open_intents(world: World) -> list[str]:
    with world.ledger.reading() as tx:
        return [f"{row[2]} {row[3]}" for row in tx.rows("open_intents")]
