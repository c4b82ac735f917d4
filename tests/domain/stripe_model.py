"""A miniature of what Stripe does with discounts, for laws that hold over time.

Written from Stripe's pages, not from the pipeline: a list replaces a list, naming a coupon makes a
discount, an invoice uses up `once`, a phase that begins brings its own list
(https://docs.stripe.com/billing/subscriptions/coupons,
https://docs.stripe.com/billing/subscriptions/subscription-schedules).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    Duration,
    FormerSchedule,
    LiveDiscount,
    PhaseState,
    ScheduleState,
    SubscriptionItemState,
    SubscriptionState,
)

SUBSCRIPTION = "sub_1"


def later_by_months(moment: datetime, months: int) -> datetime:
    """The same day of a later month; days beyond the 28th are not used here."""
    month = moment.month - 1 + months
    return moment.replace(year=moment.year + month // 12, month=month % 12 + 1)


@dataclass
class StripeModel:
    """One subscription, with or without a schedule, and the time."""

    now: datetime
    coupons: dict[str, tuple[Duration, int]] = field(default_factory=dict)
    """Duration and months of every coupon."""
    lists: dict[str, list[LiveDiscount]] = field(default_factory=lambda: {SUBSCRIPTION: []})
    """By the subscription's id or an item's."""
    customer: LiveDiscount | None = None
    metadata: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of the subscription and of the schedule."""
    phases: list[PhaseState] = field(default_factory=list)
    schedule_id: str = "sub_sched_1"
    former: list[FormerSchedule] = field(default_factory=list)
    """Schedules that were released."""
    next_invoice: datetime | None = None
    made: Counter[str] = field(default_factory=Counter)
    """How many discounts were made from each coupon."""
    billed: Counter[str] = field(default_factory=Counter)
    """How many invoices each coupon has taken something off."""

    # Reading

    def subscription(self) -> SubscriptionState:
        """As the API shows it."""
        period_end = None if self.next_invoice is None else int(self.next_invoice.timestamp())
        return SubscriptionState(
            SUBSCRIPTION,
            "active",
            "usd",
            "cus_1",
            self.schedule_id if self.phases else None,
            dict(self.metadata.get(SUBSCRIPTION, {})),
            tuple(self.lists[SUBSCRIPTION]),
            tuple(
                SubscriptionItemState(
                    item_id, item_id.replace("si", "price"), {}, 1, tuple(live), period_end
                )
                for item_id, live in self.lists.items()
                if item_id != SUBSCRIPTION
            ),
            self.customer,
        )

    def schedule(self) -> ScheduleState:
        """As the API shows it, the current phase still with the coupons it was made with."""
        current = next(p for p in self.phases if p.end_date > self.seconds)
        live = {d.discount_id: d.coupon_id for each in self.lists.values() for d in each}
        return ScheduleState(
            self.schedule_id,
            "active",
            "cus_1",
            self.subscription(),
            metadata=dict(self.metadata.get(self.schedule_id, {})),
            phases=tuple(
                replace(phase, discounts=tuple(_known(phase.discounts, live)))
                for phase in self.phases
            ),
            current_phase=(current.start_date, current.end_date),
            customer_discount=self.customer,
        )

    @property
    def seconds(self) -> int:
        """Now, in Stripe's form."""
        return int(self.now.timestamp())

    # Writing

    def update_subscription(self, sent: SubscriptionUpdate) -> None:
        """`POST /v1/subscriptions/{id}`."""
        beside = self.phases and (sent.discounts is not None or sent.items)
        assert not beside, "beside the schedule"
        if sent.discounts is not None:
            self._set(SUBSCRIPTION, sent.discounts)
        for item in sent.items:
            self._set(item.item_id, item.discounts)
        self._merge(SUBSCRIPTION, sent.metadata)

    def update_schedule(self, sent: ScheduleUpdate) -> None:
        """`POST /v1/subscription_schedules/{id}`."""
        self._merge(self.schedule_id, sent.metadata)
        if not sent.phases:
            return
        past = [phase for phase in self.phases if phase.end_date <= self.seconds]
        opened = [phase for phase in self.phases if phase.end_date > self.seconds]
        assert [p.start_date for p in opened] == [p.start_date for p in sent.phases]
        rewritten = []
        for phase, update in zip(opened, sent.phases, strict=True):
            assert phase.end_date == update.end_date
            self._check(update.discounts)
            metadata = update.body.get("metadata", {})
            assert isinstance(metadata, Mapping)
            texts = {key: str(value) for key, value in metadata.items()}
            rewritten.append(replace(phase, discounts=update.discounts, metadata=texts))
        self._set(SUBSCRIPTION, sent.phases[0].discounts)
        self.phases = past + rewritten

    def release(self) -> None:
        """`POST /v1/subscription_schedules/{id}/release`: the subscription stays as it is."""
        metadata = self.metadata.get(self.schedule_id, {})
        self.former.append(FormerSchedule(self.schedule_id, dict(metadata), self.seconds))
        self.schedule_id = f"sub_sched_{len(self.former) + 1}"
        self.phases = []

    def _merge(self, owner: str, metadata: Mapping[str, str]) -> None:
        self.metadata.setdefault(owner, {}).update(metadata)

    def _check(self, entries: Iterable[DiscountEntry]) -> None:
        entries = list(entries)
        assert len(entries) <= 20, "Stripe takes at most 20 discounts"
        coupons = [each.coupon_id for each in entries]
        assert len(set(coupons)) == len(coupons), "Stripe takes a coupon once"

    def _set(self, owner: str, entries: Iterable[DiscountEntry]) -> None:
        entries = list(entries)
        self._check(entries)
        there = {each.discount_id: each for each in self.lists[owner]}
        if self.customer:
            there[self.customer.discount_id] = self.customer
        live = []
        for each in entries:
            if each.kind == "discount":
                assert each.reference in there, "a discount must already belong to the target"
                live.append(there[each.reference])
            else:
                live.append(self.make(each.reference))
        self.lists[owner] = live

    def make(self, coupon: str) -> LiveDiscount:
        """A new discount from a coupon."""
        self.made[coupon] += 1
        duration, months = self.coupons[coupon]
        end = later_by_months(self.now, months) if duration == "repeating" else None
        number = sum(self.made.values())
        seconds = None if end is None else int(end.timestamp())
        return LiveDiscount(f"di_{number}", coupon, None, self.seconds, seconds)

    # Time

    def advance(self) -> None:
        """To the next moment at which something happens: a phase begins, or an invoice is made."""
        begins = [phase for phase in self.phases if phase.start_date > self.seconds]
        moments = [datetime.fromtimestamp(phase.start_date, UTC) for phase in begins[:1]]
        self.now = min([*moments, *([self.next_invoice] if self.next_invoice else [])])
        self._end_windows()
        for phase in begins[:1]:
            if phase.start_date == self.seconds:
                self._begin(phase)
        if self.next_invoice == self.now:
            self._bill()

    def _end_windows(self) -> None:
        for owner, live in self.lists.items():
            self.lists[owner] = [d for d in live if d.end is None or d.end > self.seconds]

    def _begin(self, phase: PhaseState) -> None:
        """A phase brings its own list; a used-up discount that it names is granted again.

        What Stripe does then is not documented; the worst is assumed.
        """
        there = {each.discount_id: each for each in self.lists[SUBSCRIPTION]}
        if self.customer:
            there[self.customer.discount_id] = self.customer
        live = []
        for each in phase.discounts:
            if each.kind == "discount" and each.reference in there:
                live.append(there[each.reference])
            elif each.coupon_id is not None:
                live.append(self.make(each.coupon_id))
        self.lists[SUBSCRIPTION] = live
        self._merge(SUBSCRIPTION, phase.metadata)
        if phase.bills_at_start:
            self.next_invoice = self.now

    def _bill(self) -> None:
        for owner, live in self.lists.items():
            for each in live:
                assert each.coupon_id is not None
                self.billed[each.coupon_id] += 1
            self.lists[owner] = [d for d in live if self.coupons[d.coupon_id or ""][0] != "once"]
        self.next_invoice = later_by_months(self.now, 1)


def _known(
    entries: Iterable[DiscountEntry], live: Mapping[str, str | None]
) -> Iterable[DiscountEntry]:
    return (
        replace(each, coupon_id=live.get(each.reference)) if each.kind == "discount" else each
        for each in entries
    )
