"""What the stages of one run share: which orders, under which id, and whether it may write."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from coupon_pipeline.assets.progress import Progress
from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.caps import Caps
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.portions import portions_of
from coupon_pipeline.domain.problems import Problem
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.domain.text_as_data import printable
from coupon_pipeline.ledger.rows import Cell

PREVIEW_ROWS = 10


class RunStopped(Exception):  # noqa: N818 - what happened, as callers read it
    """A run or command that ends before it writes anything more, with the catalogue's words."""

    def __init__(self, problem: Problem) -> None:
        self.code, self.message, self.fix = problem.code, printable(problem.message), problem.fix
        super().__init__(f"{self.message} {self.fix}")


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the orders of a selection."""

    run_id: str
    selection: Selection
    dry_run: bool = False
    """A plan: everything is decided and nothing is written to Salesforce or Stripe."""
    replace_attached: frozenset[str] = frozenset()
    """Orders, order items, quote coupons or snapshots whose discounts make room for those that
    the mapping asks for now; ids of Salesforce in their long form."""

    plan_id: str | None = None
    """The saved plan that it carries out: evidence names it."""
    approved: frozenset[str] | None = None
    """Digests of the only writes that may be made; None where every decision is carried out."""
    caps: Caps = field(default_factory=Caps)
    live: bool = False
    """Whether whoever started it said that live money is meant."""
    orders_at_a_time: int = 2000
    """How many a stage holds in memory, however many the selection has."""
    progress: Progress = field(default_factory=Progress)
    """Told to whoever watches."""

    def portions(
        self,
        order_ids: Sequence[str],
        bonds: Iterable[tuple[str, str]] = (),
        at_most: float = math.inf,
        *,
        latest_first: bool = False,
    ) -> Iterator[Sequence[str]]:
        """The orders, as many at a time as a stage may hold; bonds keep orders together."""
        portions = portions_of(order_ids, bonds, int(min(at_most, self.orders_at_a_time)))
        self.progress.expect("orders", len(order_ids))
        yield from self.progress.over("orders", reversed(portions) if latest_first else portions)

    def may_make(self, write: PlannedWrite) -> bool:
        """Whether a write is among those that were approved beforehand."""
        return self.approved is None or write.digest in self.approved

    def stop(self, problem: Problem | None, report: "StageReport") -> None:
        """End the run where something speaks against it; a plan notes it and goes on.

        Raises:
            RunStopped: nothing was written yet of what the problem is about.
        """
        if problem is None:
            return
        if not self.dry_run:
            raise RunStopped(problem)
        report.stops.append(problem)

    @property
    def days(self) -> list[date]:
        """Every UTC day of the selection."""
        first, last = self.selection.first_day, self.selection.last_day
        return [first + timedelta(days=n) for n in range((last - first).days + 1)]


@dataclass(slots=True)
class StageReport:
    """What a stage did, for people: counts by day, and the first rows."""

    stage: str
    by_day: dict[date, dict[str, int]] = field(default_factory=dict)
    totals: dict[str, int] = field(default_factory=dict)
    preview_columns: tuple[str, ...] = ()
    whole: bool = False
    """Whether every change is kept, as a plan lists them, or only the first ones."""
    preview: list[tuple[Cell, ...]] = field(default_factory=list)
    """The first rows."""
    rows: int = 0
    """How many there are."""
    changes: list[tuple[Cell, ...]] = field(default_factory=list)
    """Those rows that stand for a write to Stripe or Salesforce."""
    changed_rows: int = 0
    """How many of those there are."""
    requests: list[SubscriptionUpdate | ScheduleUpdate] = field(default_factory=list)
    """What is sent to targets in Stripe."""
    writes: list[PlannedWrite] = field(default_factory=list)
    """What is sent to either system, in that order; kept for a plan only."""
    basis: dict[str, str] = field(default_factory=dict)
    """What was read from Stripe, by name, as digests; kept for a plan only."""

    stops: list[Problem] = field(default_factory=list)
    """What would end the run before a write; kept for a plan only."""

    def count(self, day: date, name: str, number: int = 1) -> None:
        """Add to a count of one day and to its total."""
        counts = self.by_day.setdefault(day, {})
        counts[name] = counts.get(name, 0) + number
        self.totals[name] = self.totals.get(name, 0) + number

    def show(self, row: tuple[Cell, ...], *, is_change: bool = False) -> None:
        """A row for people; however many there are, few are kept."""
        self.rows += 1
        if len(self.preview) < PREVIEW_ROWS:
            self.preview.append(row)
        if is_change:
            self.changed_rows += 1
            if self.whole or len(self.changes) < PREVIEW_ROWS:
                self.changes.append(row)

    def include(self, other: "StageReport") -> None:
        """Add what the same stage did to other orders."""
        for day, counts in other.by_day.items():
            _add(self.by_day.setdefault(day, {}), counts)
        _add(self.totals, other.totals)
        self.preview_columns = self.preview_columns or other.preview_columns
        self.preview += other.preview[: PREVIEW_ROWS - len(self.preview)]
        self.changes += other.changes[: None if self.whole else PREVIEW_ROWS - len(self.changes)]
        self.rows += other.rows
        self.changed_rows += other.changed_rows
        self.requests += other.requests
        self.writes += other.writes
        self.basis |= other.basis
        self.stops += other.stops


def _add(counts: dict[str, int], more: Mapping[str, int]) -> None:
    for name, number in more.items():
        counts[name] = counts.get(name, 0) + number


def now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)
