"""Amendments: orders of their own, in the schedule of the initial order."""

from tests.world import World


def _phases(world: World, schedule_id: str) -> list[list[str]]:
    """What the phases take off: a coupon's percentage, at most one of each in a test."""
    worth = {str(coupon["id"]): str(coupon["percent_off"]) for coupon in world.coupons()}
    schedule = world.stripe.v1.subscription_schedules.retrieve(
        schedule_id, {"expand": ["phases.discounts.discount"]}
    )
    return [
        [worth.get(str(each.coupon), "a discount that goes on") for each in phase.discounts]
        for phase in schedule.phases
    ]


def test_an_amendment_is_found_through_its_contract(world: World) -> None:
    """The order sync may leave its Stripe id empty: the phase is the initial order's schedule's."""
    initial = world.order(coupons=[world.quote_coupon(Percent_Off__c=7, Duration__c="forever")])
    schedule_id = world.manage(initial)
    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )

    before = world.sync()
    world.extend(schedule_id, amendment)
    after = world.sync()

    assert [problem.code for problem in before.problems] == ["target.no_phase_yet"]
    assert after.problems == ()
    assert after.attachments["attached"] == 1
    _, second, third = _phases(world, schedule_id)
    assert second in (["7"], ["a discount that goes on"])
    assert third[0] in ("7", "a discount that goes on")
    assert third[1:] == ["9"]


def test_an_amendment_and_its_contract_must_lead_to_the_same_target(world: World) -> None:
    """Otherwise a discount would be granted to whichever of the two was read."""
    initial, other = world.order(), world.order()
    amendment = world.order(
        coupons=[world.quote_coupon()], synced=False, amends=world.contract_of(initial)
    )
    world.update("Order", amendment.order_id, Stripe_ID__c=other.subscription_id)

    (problem,) = world.sync().problems

    assert problem.code == "target.contract_conflict"
    assert initial.order_id in problem.fix
    assert world.discounted(other.subscription_id) == []

    world.update("Order", amendment.order_id, Stripe_ID__c=None)
    report = world.sync()
    assert report.problems == ()
    assert world.discounted(initial.subscription_id) == [(10, None)]


def test_a_schedule_and_its_subscription_are_read_once(world: World) -> None:
    """The amendment may name the schedule, and the initial order what the schedule manages."""
    initial = world.order(coupons=[world.quote_coupon(Percent_Off__c=7)])
    schedule_id = world.manage(initial)
    amendment = world.order(
        coupons=[world.quote_coupon(Percent_Off__c=9)],
        synced=False,
        amends=world.contract_of(initial),
    )
    world.update("Order", amendment.order_id, Stripe_ID__c=schedule_id)
    world.extend(schedule_id, amendment)

    report = world.sync()

    assert report.problems == ()
    assert report.attachments["attached"] == 2
    account, coupons = 1, 2
    assert report.calls.stripe_reads == account + 1
    assert report.calls.stripe_writes == coupons + 1
