"""What would be on a target without what was granted to one order."""

from dataclasses import replace

from coupon_pipeline.domain.targets import DiscountEntry, PhaseItemState
from coupon_pipeline.domain.without_ours import (
    OurDiscount,
    lists_without,
    phases_without,
    why_not_sent,
)
from tests.domain.target_builders import (
    NOW,
    POLICY,
    a_phase,
    a_schedule,
    a_subscription,
    an_item,
    at,
    live,
)

FIRST, SECOND = "2026-01-01", "2026-06-01"
ITEM = PhaseItemState("price_1")


def test_a_list_without_any_of_ours_is_not_sent() -> None:
    """To send an empty one would hide the customer's own discount from the preview."""
    state = a_subscription(items=[an_item()], customer=live("di_customer"))

    assert lists_without(state, [OurDiscount("c", "di_1", on_item=False)]) == (None, [])


def test_a_list_that_ours_leave_empty_shows_the_customer_s_own_discount() -> None:
    """Of an item as well as of the subscription, each by its own list."""
    state = a_subscription(
        discounts=[live("di_1")],
        items=[an_item(discounts=[live("di_2"), live("di_foreign")])],
        customer=live("di_customer"),
    )
    ours = [OurDiscount("c", "di_1", on_item=False), OurDiscount("c", "di_2", on_item=True)]

    assert lists_without(state, ours) == (
        [{"discount": "di_customer"}],
        [{"id": "si_1", "discounts": [{"discount": "di_foreign"}]}],
    )


def test_of_the_phases_to_come_only_those_of_the_attachment_name_it() -> None:
    """The same coupon in another phase is another order's, unless it lasts for good."""
    coupon = DiscountEntry.granted("c")
    phases = [a_phase(FIRST, SECOND), a_phase(SECOND, "2027-01-01", discounts=[coupon])]
    state = a_schedule(*phases, subscription=a_subscription(items=[an_item()]))
    once = OurDiscount("c", None, on_item=False, phases=frozenset({at(FIRST)}))

    assert phases_without(state, [once], POLICY, NOW) is None
    for ours in (
        replace(once, phases=frozenset({at(SECOND)})),
        OurDiscount("c", "di_of_before", on_item=False, for_good=True),
    ):
        sent = phases_without(state, [ours], POLICY, NOW) or []
        assert [isinstance(each, dict) and each["discounts"] for each in sent] == ["", ""]


def test_phases_that_are_not_those_of_the_subscription_are_not_sent() -> None:
    """What Stripe would bill with them is not what it bills without ours."""
    phase = a_phase(FIRST, SECOND, items=[ITEM])
    state = a_schedule(phase, subscription=a_subscription(items=[an_item(price="price_2")]))
    beyond = a_schedule(
        a_phase(FIRST, SECOND, items=[ITEM], loyalty="gold"),
        subscription=a_subscription(items=[an_item()]),
    )

    assert "different items" in (why_not_sent(state, POLICY, NOW) or "")
    assert "loyalty" in (why_not_sent(beyond, POLICY, NOW) or "")
