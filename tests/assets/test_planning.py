"""A plan rests on what was read, and on nothing else."""

import json

from tests.world import World


def test_a_plan_is_the_same_to_the_byte_each_time(world: World) -> None:
    """Two plans can be compared only if nothing but what changed makes them differ."""
    coupons = [world.quote_coupon(Percent_Off__c=5 * n) for n in range(1, 5)]
    for coupon in coupons:
        world.order(coupons=[coupon, coupons[0]], lines=[[coupon], []])

    first = json.dumps(world.plan().changes())
    world.sandbox.switches.salesforce_row_order = "scattered"
    second = json.dumps(world.plan().changes())

    assert second == first
    assert len(json.loads(first)) > len(coupons)
