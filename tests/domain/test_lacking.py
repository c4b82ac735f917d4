"""What later phases lack of what was granted: told, because no run may ever look at them again."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from coupon_pipeline.domain.attachments import Lacking
from coupon_pipeline.domain.schedules import lacking_in_phases
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    Duration,
    GrantedAttachment,
    LiveDiscount,
    PhaseItemState,
    ScheduleState,
    SubscriptionState,
    TargetState,
)
from tests.domain.target_builders import (
    NOW,
    ORDER,
    POLICY,
    a_phase,
    a_schedule,
    a_subscription,
    an_item,
    an_order,
    an_order_item,
    at,
    grant_of,
    live,
    wants,
)

FIRST, SECOND, THIRD = (at(f"{year}-01-01") for year in (2026, 2027, 2028))
COUPON = DiscountEntry.granted("coupon-of-sn")
DISCOUNT = DiscountEntry.kept(live("di_1", "coupon-of-sn"))
OTHERS = tuple(DiscountEntry.granted(f"other-{n}") for n in range(20))
ITEM = "802000000000001AAA"

Lists = Iterable[DiscountEntry]
Granted = Mapping[str, GrantedAttachment]


def _granted(
    duration: Duration = "forever",
    *,
    discount: str | None = "di_1",
    carried_to: Iterable[int] = (FIRST,),
    limited: bool = False,
    item: str | None = None,
) -> Granted:
    wish = wants("sn", duration=duration, item=item, limited=limited)
    return grant_of(wish, discount=discount, carried_to=carried_to)


def _begun(
    *later: Lists,
    discounts: Iterable[LiveDiscount] = (live("di_1", "coupon-of-sn"),),
    **changes: object,
) -> ScheduleState:
    """A schedule whose first phase is on; the lists of the phases after it."""
    subscription = a_subscription(
        discounts=discounts, items=[an_item(period_end=SECOND)], schedule="sub_sched_1"
    )
    phases = [a_phase("2026-01-01", "2027-01-01", order=ORDER)]
    phases += [
        a_phase(f"{2027 + n}-01-01", f"{2028 + n}-01-01", discounts=each)
        for n, each in enumerate(later)
    ]
    found = a_schedule(*phases, subscription=replace(subscription, **changes))  # type: ignore[arg-type]  # of SubscriptionState
    assert isinstance(found.subscription, SubscriptionState)
    return found


def _coming(*lists: Lists) -> ScheduleState:
    """A schedule that has not begun; the lists of the second phase and those after it."""
    phases = [
        a_phase(f"{2027 + n}-01-01", f"{2028 + n}-01-01", order=ORDER, discounts=each)
        for n, each in enumerate(lists)
    ]
    return a_schedule(*phases, status="not_started")


def _lacking(state: TargetState, granted: Granted) -> list[Lacking]:
    return lacking_in_phases(
        state,
        granted={key: replace(g, target_id=state.target_id) for key, g in granted.items()},
        items=an_order_item(ITEM, price="price_1"),
        orders={ORDER: an_order()},
        policy=POLICY,
        now=NOW,
    )


def _told(*phases: int, goes_on: bool = True, discount: str | None = "di_1") -> Lacking:
    return Lacking("sn", "coupon-of-sn", discount, phases, goes_on)


ENDS = live("di_1", "coupon-of-sn", end=at("2027-06-01"))
BY_CODE = replace(live("di_1", "coupon-of-sn"), promotion_code="promo_1")
OTHER_ITEMS = (an_item(price="price_9"),)
ITS_ITEM = PhaseItemState("price_1", {POLICY.order_item_key: ITEM})
ON_AN_ITEM = (an_item(order_item=ITEM, discounts=[live("di_1", "coupon-of-sn")]),)

LACKING: dict[str, tuple[TargetState, Granted, Lacking]] = {
    "a phase that came after the run": (_begun([]), _granted(), _told(SECOND)),
    "the order sync wrote all phases anew": (_begun([], []), _granted(), _told(SECOND, THIRD)),
    "only the last phase lacks it": (_begun([DISCOUNT], []), _granted(), _told(THIRD)),
    "a phase names others only": (_begun(OTHERS[:2]), _granted(), _told(SECOND)),
    "a phase that it was sent to once": (
        _begun([], []),
        _granted(carried_to=(FIRST, SECOND)),
        _told(SECOND, THIRD, goes_on=False),
    ),
    "a phase that has no room": (_begun(OTHERS), _granted(), _told(SECOND, goes_on=False)),
    "what is left of a window": (
        _begun([], [], discounts=[ENDS]),
        _granted("repeating"),
        _told(SECOND),
    ),
    "a `once` that the next invoice has not used up": (
        _begun([], []),
        _granted("once"),
        _told(SECOND),
    ),
    "phase and subscription have other items": (
        _begun([], items=OTHER_ITEMS),
        _granted(),
        _told(SECOND, goes_on=False),
    ),
    "the list of an item": (
        replace(
            _begun([], discounts=[], items=ON_AN_ITEM),
            phases=(
                a_phase("2026-01-01", "2027-01-01", order=ORDER),
                a_phase("2027-01-01", "2028-01-01", items=[ITS_ITEM], discounts=[DISCOUNT]),
            ),
        ),
        _granted(item=ITEM),
        _told(SECOND),
    ),
    "a coupon for good that only the first phase names": (
        _coming([COUPON], []),
        _granted(discount=None, carried_to=[SECOND]),
        _told(THIRD, discount=None),
    ),
    "the same where a later phase named it once": (
        _coming([COUPON], []),
        _granted(discount=None, carried_to=[SECOND, THIRD]),
        _told(THIRD, goes_on=False, discount=None),
    ),
    "a coupon that waits for its phase and is in none": (
        _coming([], []),
        _granted("once", discount=None, carried_to=[SECOND]),
        _told(SECOND, goes_on=False, discount=None),
    ),
    "the same with phases at other times": (
        _coming([], []),
        _granted("repeating", discount=None, carried_to=[SECOND + 3600]),
        _told(SECOND, goes_on=False, discount=None),
    ),
    "one for good in none": (
        _coming([], []),
        _granted(discount=None, carried_to=[SECOND, THIRD]),
        _told(SECOND, THIRD, goes_on=False, discount=None),
    ),
}


def _line_away_for_a_year(discount_is_on: Lists) -> ScheduleState:
    """The second phase does not have the line, the third one does again."""
    return replace(
        _begun(discounts=[], items=ON_AN_ITEM),
        phases=(
            a_phase("2026-01-01", "2027-01-01", order=ORDER, items=[ITS_ITEM]),
            a_phase("2027-01-01", "2028-01-01", items=[PhaseItemState("price_2")]),
            a_phase(
                "2028-01-01",
                "2029-01-01",
                items=[replace(ITS_ITEM, discounts=tuple(discount_is_on))],
            ),
        ),
    )


LACKING |= {
    "the phase that has a line again": (
        _line_away_for_a_year([]),
        _granted(item=ITEM),
        _told(THIRD, discount=None),
    ),
}


@pytest.mark.parametrize("case", LACKING.values(), ids=LACKING)
def test_what_ends_unseen_with_a_phase_to_come_is_found(
    case: tuple[TargetState, Granted, Lacking],
) -> None:
    """And whether a run would send it on, if one came to look."""
    state, granted, expected = case

    assert _lacking(state, granted) == [expected]


NOTHING_LACKING: dict[str, tuple[TargetState, Granted]] = {
    "the phases name the discount": (_begun([DISCOUNT], [*OTHERS[:2], DISCOUNT]), _granted()),
    "the phases name the coupon, which the next run replaces": (_begun([COUPON]), _granted()),
    "the phases name the code by which somebody put it there": (
        _begun([DiscountEntry("promotion_code", "promo_1")], discounts=[BY_CODE]),
        _granted(),
    ),
    "there is no later phase": (_begun(), _granted()),
    "a window that is over by then": (
        _begun([], discounts=[replace(ENDS, end=SECOND)]),
        _granted("repeating"),
    ),
    "a `once` that is spent": (_begun([], discounts=[]), _granted("once")),
    "a `once` that is spent before the phase begins": (
        _begun([], items=(an_item(period_end=at("2026-04-01")),)),
        _granted("once"),
    ),
    "a `once` of which the items do not tell when it is spent": (
        _begun([], items=OTHER_ITEMS),
        _granted("once"),
    ),
    "one that was taken off the subscription": (_begun([], discounts=[]), _granted()),
    "a coupon that its phase names": (
        _coming([COUPON], []),
        _granted("once", discount=None, carried_to=[SECOND]),
    ),
    "a coupon that its phase names at another time": (
        _coming([COUPON], []),
        _granted("once", discount=None, carried_to=[SECOND + 3600]),
    ),
    "a coupon with a limit, of which the discount is sent on": (
        _coming([COUPON], []),
        _granted(discount=None, carried_to=[SECOND], limited=True),
    ),
    "one of which nobody knows any more where it was put": (
        _coming([], []),
        _granted("once", discount=None, carried_to=[]),
    ),
    "one that may have begun and be spent": (
        _coming([], []),
        _granted("once", discount=None, carried_to=[FIRST]),
    ),
    "a schedule that has ended": (
        replace(_begun([]), status="released", current_phase=None),
        _granted(),
    ),
    "a subscription of its own": (
        a_subscription(discounts=[live("di_1", "coupon-of-sn")]),
        _granted(),
    ),
    "an item that the later phases do not have": (
        replace(
            _begun([], discounts=[], items=ON_AN_ITEM),
            phases=(
                a_phase("2026-01-01", "2027-01-01", order=ORDER),
                a_phase("2027-01-01", "2028-01-01", items=[PhaseItemState("price_2")]),
            ),
        ),
        _granted(item=ITEM),
    ),
}


NOTHING_LACKING |= {
    "the phase that has a line again names the coupon": (
        _line_away_for_a_year([COUPON]),
        _granted(item=ITEM),
    ),
    "a window that ended when its line was taken away": (
        _line_away_for_a_year([]),
        _granted("repeating", item=ITEM),
    ),
    "a coupon with a limit that ended with its line": (
        _line_away_for_a_year([]),
        _granted(item=ITEM, limited=True),
    ),
}


@pytest.mark.parametrize("case", NOTHING_LACKING.values(), ids=NOTHING_LACKING)
def test_what_goes_on_or_is_over_is_not_lacking(case: tuple[TargetState, Granted]) -> None:
    """A false alarm is read once, and the next alarm not at all."""
    assert _lacking(*case) == []
