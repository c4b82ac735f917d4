"""The report of a run: what `sync --json` and `plan --json` print."""

from collections.abc import Mapping
from dataclasses import dataclass

from coupon_pipeline.assets.run import Run
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.ledger.problems import NotedProblem, read_selected_problems
from coupon_pipeline.ledger.runs import Calls, read_stages

_OUTCOMES = ("attached", "adopted", "unchanged", "pending", "blocked", "not_applicable")


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
            + self.salesforce["created"]
            + self.salesforce["updated"]
        )

    @property
    def has_blocked(self) -> bool:
        """Whether a record needs somebody's attention."""
        return any(problem.effect == "blocked" for problem in self.problems)

    def as_json(self) -> dict[str, object]:
        """The document that `--json` prints."""
        return {
            "run_id": self.run_id,
            "orders": self.orders,
            "snapshots": self.snapshots,
            "coupons": dict(self.coupons),
            "attachments": dict(self.attachments),
            "salesforce": dict(self.salesforce),
            "problems": [problem.as_json() for problem in self.problems],
            "calls": {
                "salesforce": self.calls.salesforce,
                "stripe_reads": self.calls.stripe_reads,
                "stripe_writes": self.calls.stripe_writes,
            },
        }


def report_of(run: Run, ledger: Ledger) -> RunReport:
    """The report of a run whose stages have ended."""
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        orders = source.read_orders(tx)
        snapshots = decisions.read_snapshots(tx)
        terms = decisions.read_terms(tx, snapshots)
        decided = decisions.read_coupon_decisions(tx)
        granted = {key for key, made in decisions.read_attachments(tx).items() if made.granted}
        problems = read_selected_problems(tx)
        totals, calls = read_stages(tx, run.run_id)
    made = totals.get("stripe_coupons", {})
    blocked = sum(
        not isinstance(terms[s.snapshot_id], DerivedCoupon)
        or (s.snapshot_id in decided and decided[s.snapshot_id].decision == "blocked")
        for s in snapshots
        if s.snapshot_id not in granted
    )
    created, adopted = made.get("created", 0), made.get("adopted", 0)
    attached = totals.get("coupon_attachments", {})
    written = totals.get("salesforce_records", {})
    return RunReport(
        run_id=run.run_id,
        orders=len(orders),
        snapshots=len(snapshots),
        coupons={
            "created": created,
            "reused": len(snapshots) - created - adopted - blocked,
            "adopted": adopted,
            "updated": made.get("updated", 0),
            "blocked": blocked,
        },
        attachments={outcome: attached.get(outcome, 0) for outcome in _OUTCOMES},
        salesforce={name: written.get(name, 0) for name in ("created", "updated")},
        problems=tuple(problems),
        calls=calls,
    )
