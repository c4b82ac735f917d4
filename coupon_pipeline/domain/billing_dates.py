"""When a subscription or one of its items is billed next, as far as Stripe's reply tells.

Two ends of a discount are the same to a customer if no invoice lies between them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from coupon_pipeline.domain.drafts import from_unix, months_after, unix
from coupon_pipeline.domain.targets import BillingInterval, SubscriptionItemState

_DAYS = {"day": 1, "week": 7}
_MONTHS = {"month": 1, "year": 12}


@dataclass(frozen=True, slots=True)
class BillingDates:
    """The invoices to come of some items. Times are Unix seconds."""

    items: Sequence[SubscriptionItemState]
    known_until: int | None = None
    """Start of a later phase that bills in another rhythm; beyond it nothing is known."""

    def any_in(self, first: int, end: int) -> bool:
        """Whether there is, or may be, an invoice at `first` or later and before `end`."""
        if first >= end:
            return False
        if self.known_until is not None and self.known_until < end:
            return True
        return any(_may_bill(item, first, end) for item in self.items)

    def moments(self, now: int) -> tuple[int, ...]:
        """The times that it may be now in Stripe.

        A test clock may be ahead of this machine (https://docs.stripe.com/billing/testing/
        test-clocks); then it is some time in the current period of the items.
        """
        starts = [i.current_period_start for i in self.items if i.current_period_start is not None]
        ends = [i.current_period_end for i in self.items if i.current_period_end is not None]
        if not starts or not ends or max(starts) <= now < min(ends):
            return (now,)
        return max(starts) + 1, max(min(ends) - 1, max(starts) + 1)

    def billed_since(self, start: int) -> bool:
        """Whether the current period began with an invoice after `start`."""
        starts = [i.current_period_start for i in self.items if i.current_period_start is not None]
        return not starts or start < max(starts)


def _may_bill(item: SubscriptionItemState, first: int, end: int) -> bool:
    if item.current_period_end is None or item.interval is None:
        return True
    number, date = 0, item.current_period_end
    while date < end:
        if date >= first:
            return True
        number += 1
        date = _later(item.current_period_end, item.interval, number)
    return False


def _later(date: int, interval: BillingInterval, number: int) -> int:
    """The invoice that is `number` intervals after the one at `date`."""
    begin, count = from_unix(date), interval.count * number
    if interval.unit in _MONTHS:
        return unix(months_after(begin, _MONTHS[interval.unit] * count))
    return unix(begin + timedelta(days=_DAYS[interval.unit] * count))
