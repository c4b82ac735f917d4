"""The report of a run: what `sync --json` and `plan --json` print."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupon_pipeline.assets.run import Run
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import NotedProblem, read_selected_problems
from coupon_pipeline.ledger.runs import (
    STRIPE_BOUND_MILLISECONDS,
    STRIPE_MILLISECONDS,
    STRIPE_SLOWED_DOWN,
    Calls,
    read_stages,
)

_OUTCOMES = (
    "attached",
    "adopted",
    "replaced",
    "unchanged",
    "pending",
    "blocked",
    "not_applicable",
)


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast Stripe was called, against the least time that the limits allow."""

    stripe_calls: int = 0
    seconds: float = 0.0
    """Of the stages that called Stripe, with what they did besides."""
    lower_bound_seconds: float = 0.0
    """0 where there is no limit, as on a stand-in on this machine."""
    slowed_down: int = 0
    """How often a 429 made us go slower."""

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return self.stripe_calls / self.seconds if self.seconds else 0.0

    @property
    def share_of_bound(self) -> float | None:
        """1 is perfect; None where there is no limit."""
        if not (self.lower_bound_seconds and self.seconds):
            return None
        return min(1.0, self.lower_bound_seconds / self.seconds)

    def as_json(self) -> dict[str, object]:
        """The key `rate` of the document that `--json` prints."""
        share = self.share_of_bound
        return {
            "stripe_calls": self.stripe_calls,
            "seconds": round(self.seconds, 3),
            "per_second": round(self.per_second, 2),
            "lower_bound_seconds": round(self.lower_bound_seconds, 3),
            "share_of_bound": None if share is None else round(share, 3),
            "slowed_down": self.slowed_down,
        }


@dataclass(frozen=True, slots=True)
class RunReport:
    """Counts over the orders of a run.

    Every snapshot counts once under `coupons` and once under `attachments`.
    """

    run_id: str
    orders: int
    snapshots: int
    coupons: Mapping[str, int]
    """created, reused, adopted and blocked add up to the snapshots; updated is beside them."""
    attachments: Mapping[str, int]
    salesforce: Mapping[str, int]
    """Records written back: order coupons created, Stripe ids updated."""
    problems: tuple[NotedProblem, ...]
    calls: Calls
    superseded: int = 0
    """Discounts that were granted from other terms than the mapping asks for now, and stay."""
    rate: Rate = Rate()

    @classmethod
    def empty(cls) -> "RunReport":
        """The report of a run for which there was no order at all."""
        return cls(
            run_id="",
            orders=0,
            snapshots=0,
            coupons=dict.fromkeys(("created", "reused", "adopted", "updated", "blocked"), 0),
            attachments=dict.fromkeys(_OUTCOMES, 0),
            salesforce=dict.fromkeys(("created", "updated"), 0),
            problems=(),
            calls=Calls(0, 0, 0),
        )

    @property
    def writes(self) -> int:
        """Changes made in either system, or to be made."""
        return (
            self.coupons["created"]
            + self.coupons["adopted"]
            + self.coupons["updated"]
            + self.attachments["attached"]
            + self.attachments["adopted"]
            + self.attachments["replaced"]
            + self.salesforce["created"]
            + self.salesforce["updated"]
        )

    @property
    def has_blocked(self) -> bool:
        """Whether a record needs somebody's attention."""
        blocked = any(problem.effect == "blocked" for problem in self.problems)
        return blocked or self.attachments["blocked"] > 0

    def as_json(self) -> dict[str, object]:
        """The document that `--json` prints."""
        return {
            "run_id": self.run_id,
            "orders": self.orders,
            "snapshots": self.snapshots,
            "coupons": dict(self.coupons),
            "attachments": dict(self.attachments),
            "superseded": self.superseded,
            "salesforce": dict(self.salesforce),
            "problems": [problem.as_json() for problem in self.problems],
            "calls": {
                "salesforce": self.calls.salesforce,
                "stripe_reads": self.calls.stripe_reads,
                "stripe_writes": self.calls.stripe_writes,
            },
            "rate": self.rate.as_json(),
        }


def report_of(run: Run, ledger: Ledger) -> RunReport:
    """The report of a run whose stages have ended."""
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        orders = source.count_orders(tx)
        snapshots, blocked = decisions.count_snapshots(tx)
        problems = read_selected_problems(tx)
        totals, calls = read_stages(tx, run.run_id)
    made = totals.get("stripe_coupons", {})
    blocked += made.get("not_made", 0)
    created, adopted = made.get("created", 0), made.get("adopted", 0)
    attached = totals.get("coupon_attachments", {})
    written = totals.get("salesforce_records", {})
    return RunReport(
        run_id=run.run_id,
        orders=orders,
        snapshots=snapshots,
        coupons={
            "created": created,
            "reused": snapshots - created - adopted - blocked,
            "adopted": adopted,
            "updated": made.get("updated", 0),
            "blocked": blocked,
        },
        attachments={outcome: attached.get(outcome, 0) for outcome in _OUTCOMES},
        salesforce={name: written.get(name, 0) for name in ("created", "updated")},
        problems=tuple(problems),
        calls=calls,
        superseded=attached.get("superseded", 0),
        rate=_rate(totals, calls),
    )


def _rate(totals: Mapping[str, Mapping[str, int]], calls: Calls) -> Rate:
    def total(name: str) -> int:
        return sum(stage.get(name, 0) for stage in totals.values())

    return Rate(
        stripe_calls=calls.stripe_reads + calls.stripe_writes,
        seconds=total(STRIPE_MILLISECONDS) / 1000,
        lower_bound_seconds=total(STRIPE_BOUND_MILLISECONDS) / 1000,
        slowed_down=total(STRIPE_SLOWED_DOWN),
    )
