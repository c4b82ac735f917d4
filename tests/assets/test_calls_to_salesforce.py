"""How much of the org's daily allowance of requests a run uses."""

from tests.world import World

PAGE = 2000
MORE = 6
KINDS = (
    "Order",
    "OrderItem",
    "Quote_Stripe_Coupon_Association__c",
    "Quote_Line_Stripe_Coupon_Association__c",
    "Order_Stripe_Coupon__c",
    "Quote_Stripe_Coupon__c",
)
"""What a run reads."""


def _allowed(world: World) -> int:
    """A request for each page of each kind of record, and six more."""
    return sum(-(-len(world.records(kind)) // PAGE) for kind in KINDS) + MORE


def test_a_run_reads_a_page_of_each_kind_and_little_more(world: World) -> None:
    """Requests must not grow with the orders: an org has a fixed number of them a day."""
    for _ in range(3):
        world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.sync()

    report = world.sync()

    assert report.orders == 3
    assert report.writes == 0
    assert report.calls.salesforce <= _allowed(world)


def test_a_further_request_is_one_more_page(world: World) -> None:
    """Pages are filled: 4,001 associations need three requests and not one for every order."""
    coupon = world.quote_coupon()
    order = world.order(coupons=[coupon])
    world.load(
        "Quote_Stripe_Coupon_Association__c",
        [{"Quote__c": order.quote_id, "Quote_Stripe_Coupon__c": coupon} for _ in range(2 * PAGE)],
    )

    report = world.sync()

    assert report.snapshots == 1
    assert _allowed(world) == 1 + 1 + 3 + 0 + 1 + 1 + MORE
    assert report.calls.salesforce <= _allowed(world)
