"""A limit of redemptions belongs to the Stripe coupon, not to an order."""

from coupon_pipeline.cli.stories import read_stories
from tests.world import World


def test_explain_says_that_all_orders_share_the_redemptions(world: World) -> None:
    """Two orders read 5 each otherwise, and are surprised by the sixth customer."""
    coupon = world.quote_coupon(Max_Redemptions__c=5)
    world.order(coupons=[coupon])
    world.order(coupons=[coupon])
    world.sync()

    stories = read_stories(world.ledger, coupon)

    told = [line for s in stories for chapter in s.chapters for line in chapter.lines]
    shared = "Stripe counts its 5 redemptions over all orders that use it, this one included"
    assert told.count(shared) == 2
