"""What a plan comes to: money, calls and minutes."""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal

from coupon_pipeline.assets.resources import limits_of
from coupon_pipeline.assets.run import Run, StageReport
from coupon_pipeline.domain.currency import major_units
from coupon_pipeline.domain.planned_writes import PlannedWrite
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.ledger import Ledger, decisions, source
from coupon_pipeline.salesforce import SalesforceEdge
from coupon_pipeline.settings import Settings
from coupon_pipeline.stripe_api import StripeEdge
from coupon_pipeline.stripe_api.messages import (
    COUPON_CREATE,
    COUPON_UPDATE,
    SCHEDULE_UPDATE,
    SUBSCRIPTION_UPDATE,
)

_ENDPOINTS = {
    "coupon.create": COUPON_CREATE,
    "coupon.update": COUPON_UPDATE,
    "subscription.update": SUBSCRIPTION_UPDATE,
    "schedule.update": SCHEDULE_UPDATE,
}
_RECORDS_A_REQUEST = 200


@dataclass(frozen=True, slots=True)
class Money:
    """Amounts off that a plan grants to the orders activated in one month, in one currency.

    Each discount counts once, for one invoice: how often it applies follows from its duration and
    from the subscription's invoices. Percentages depend on prices; `plan --invoices` has Stripe
    calculate them.
    """

    month: str
    """Of activation, such as 2026-11, in UTC."""
    currency: str
    """Lower case; empty for percentages."""
    amount_off: int
    """In minor units."""
    discounts: int

    def as_json(self) -> dict[str, object]:
        """For `--json` and the plan file."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """For people, in major units."""
        count = f"{self.discounts} discount{'' if self.discounts == 1 else 's'}"
        if not self.currency:
            return f"{self.month}: {count} by a percentage"
        amount = major_units(self.amount_off, self.currency)
        return f"{self.month}: {amount} {self.currency.upper()} off in {count}"


@dataclass(frozen=True, slots=True)
class Cost:
    """What applying a plan takes: everything is read twice, once to see that nothing changed."""

    salesforce_calls: int
    stripe_reads: int
    stripe_writes: int
    seconds: int | None
    """The least that Stripe's limits allow; None where there is no limit, as on this machine."""

    def as_json(self) -> dict[str, object]:
        """For `--json` and the plan file."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """For people."""
        calls = (
            f"{self.salesforce_calls} calls to Salesforce, {self.stripe_reads} reads and "
            f"{self.stripe_writes} writes to Stripe"
        )
        if self.seconds is None:
            return f"{calls}; no rate limit here"
        minutes = Decimal(self.seconds) / 60
        return f"{calls}; about {minutes.quantize(Decimal('0.1'))} minutes by Stripe's rate limits"


def money_of(run: Run, ledger: Ledger) -> tuple[Money, ...]:
    """What the discounts come to that a plan attaches."""
    with ledger.reading() as tx:
        source.select_orders(tx, run.selection)
        source.select_orders_on_same_targets(tx)
        snapshots = decisions.read_snapshots(tx)
        terms = decisions.read_terms(tx, snapshots)
        attachments = decisions.read_attachments(tx)
    amounts: Counter[tuple[str, str]] = Counter()
    discounts: Counter[tuple[str, str]] = Counter()
    for snapshot in snapshots:
        made, derived = attachments.get(snapshot.snapshot_id), terms[snapshot.snapshot_id]
        if made is None or made.run_id != run.run_id or isinstance(derived, Blocked):
            continue
        if made.outcome != "attached":
            continue
        key = (f"{snapshot.activated_at:%Y-%m}", derived.terms.currency or "")
        amounts[key] += derived.terms.amount_off or 0
        discounts[key] += 1
    return tuple(Money(*key, amounts[key], discounts[key]) for key in sorted(discounts))


def cost_of(
    settings: Settings,
    stages: Iterable[StageReport],
    stripe: StripeEdge,
    salesforce: SalesforceEdge,
) -> Cost:
    """What it takes to apply the plan that these stages made."""
    writes = [write for stage in stages for write in stage.writes]
    requests = Counter(
        _ENDPOINTS[each.operation].path for each in writes if each.system == "stripe"
    )
    calls = requests + Counter({n: 2 * k for n, k in stripe.rate_report().by_endpoint.items()})
    limits = limits_of(settings)
    return Cost(
        salesforce_calls=2 * salesforce.calls + _record_requests(writes),
        stripe_reads=2 * stripe.calls.reads,
        stripe_writes=sum(requests.values()),
        seconds=None if limits is None else math.ceil(limits.lower_bound_seconds(calls)),
    )


def _record_requests(writes: Iterable[PlannedWrite]) -> int:
    records = Counter(each.operation for each in writes if each.system == "salesforce")
    return sum(math.ceil(count / _RECORDS_A_REQUEST) for count in records.values())
