"""What the stages of one run share: which orders, under which id, and whether it may write."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.records import Selection
from coupon_pipeline.ledger.rows import Cell


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the orders of a selection."""

    run_id: str
    selection: Selection
    dry_run: bool = False
    """A plan: everything is decided and nothing is written to Salesforce or Stripe."""
    plan_id: str | None = None
    """The saved plan that it carries out: evidence names it."""

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
    preview: list[tuple[Cell, ...]] = field(default_factory=list)
    changes: list[tuple[Cell, ...]] = field(default_factory=list)
    """Those rows of the preview that stand for a write to Stripe or Salesforce."""
    requests: list[SubscriptionUpdate | ScheduleUpdate] = field(default_factory=list)
    """What is sent to targets in Stripe."""

    def count(self, day: date, name: str, number: int = 1) -> None:
        """Add to a count of one day and to its total."""
        counts = self.by_day.setdefault(day, {})
        counts[name] = counts.get(name, 0) + number
        self.totals[name] = self.totals.get(name, 0) + number


def now() -> datetime:
    """The time of this machine, in UTC."""
    return datetime.now(UTC)
