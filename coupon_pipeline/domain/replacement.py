"""What takes the place of a discount that was granted from other terms than are asked for now.

Only for discounts that an operator names.

Stripe has no parameter for the end of a discount: a new one of `repeating` runs for its months from
the moment it is made (https://docs.stripe.com/api/discounts/object). So one that takes the place of
a discount with an end is made from a coupon of fewer months, if these leave the same invoices.
"""

from dataclasses import dataclass, replace

from coupon_pipeline.domain.billing_dates import BillingDates
from coupon_pipeline.domain.derivation import DerivedCoupon
from coupon_pipeline.domain.drafts import from_unix, months_after, unix
from coupon_pipeline.domain.problems import Blocked
from coupon_pipeline.domain.raw_values import iso
from coupon_pipeline.domain.targets import LiveDiscount
from coupon_pipeline.domain.terms import Terms, coupon_id, differences, terms_hash

_MONTHS_AROUND = 2


@dataclass(frozen=True, slots=True)
class Standing:
    """How a discount that was granted stands on its target."""

    live: LiveDiscount | None
    awaited: bool
    """A phase to come names its coupon; it has not begun."""
    dates: BillingDates


def terms_in_place(granted: Terms, wanted: Terms, standing: Standing, now: int) -> Terms | Blocked:
    """The terms of the coupon that takes the place of a discount, or why nothing does.

    `granted` are the terms of its coupon, `wanted` those that the mapping asks for now. A spent
    `once` stays spent, and what has an end keeps it: the new months are counted so that the same
    invoices are left. Where that is not possible, the discount stays as it is.
    """
    live = standing.live
    if live is None:
        return wanted if standing.awaited else _gone(granted)
    if wanted.duration == "once":
        if granted.duration != "once" and standing.dates.billed_since(live.start or 0):
            return _end_moves("one that lasts once would be used up by now")
        return wanted
    end = live.end
    if wanted.duration == "forever":
        return wanted if end is None else _end_moves(f"it ends at {_at(end)} and is to end never")
    assert wanted.duration_in_months is not None, "repeating has months"
    if granted.duration == "once":
        return wanted
    if end is None:
        begun = from_unix(live.start if live.start is not None else now)
        end = unix(months_after(begun, wanted.duration_in_months))
    return _until(end, granted, wanted, standing.dates, now)


def _until(
    end: int, granted: Terms, wanted: Terms, dates: BillingDates, now: int
) -> Terms | Blocked:
    """The wanted terms with the months that are left until an end."""
    moments = dates.moments(now)
    about = _whole_months(moments[0], end)
    candidates = range(max(1, about - 1), about + _MONTHS_AROUND)
    for months in sorted(candidates, key=lambda n: abs(_after(moments[0], n) - end)):
        ends = [_after(moment, months) for moment in moments]
        if not any(dates.any_in(min(each, end), max(each, end)) for each in ends):
            break
    else:
        return _end_moves(
            f"it ends at {_at(end)}, and no whole number of months from now leaves the same "
            "invoices"
        )
    if not differences(replace(granted, duration_in_months=months), _with_months(wanted, months)):
        return _end_moves(f"only its length differs, and it ends at {_at(end)} as before")
    return _with_months(wanted, months)


def _with_months(terms: Terms, months: int) -> Terms:
    return replace(terms, duration_in_months=months)


def _whole_months(now: int, end: int) -> int:
    begin, until = from_unix(now), from_unix(end)
    return (until.year - begin.year) * 12 + until.month - begin.month


def _after(moment: int, months: int) -> int:
    return unix(months_after(from_unix(moment), months))


def _at(seconds: int) -> str:
    return iso(from_unix(seconds))


def _gone(granted: Terms) -> Blocked:
    how = {
        "once": "it is used up or was taken away",
        "repeating": "its months are over or it was taken away",
        "forever": "somebody took it away",
    }[granted.duration]
    return Blocked("attachment.replacement_spent", {"how": how})


def _end_moves(reason: str) -> Blocked:
    return Blocked("attachment.replacement_end", {"reason": reason})


def coupon_in_place(derived: DerivedCoupon, terms: Terms) -> DerivedCoupon:
    """The coupon of these terms; the derived one itself where they are its own."""
    if terms == derived.terms:
        return derived
    hashed = terms_hash(terms)
    return replace(
        derived,
        terms=terms,
        terms_hash=hashed,
        coupon_id=coupon_id(derived.org_id, derived.quote_coupon_id, hashed),
    )
