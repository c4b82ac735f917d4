"""How much of the org's daily allowance of requests a run uses."""

from tests.world import World

KINDS_OF_RECORDS = 6
"""Orders, items, associations of quotes and of lines, order coupons, quote coupons."""
PAGE = 2000
MORE = 6


def test_a_run_reads_a_page_of_each_kind_and_little_more(world: World) -> None:
    """Requests must not grow with the orders: an org has a fixed number of them a day."""
    for _ in range(3):
        world.order(coupons=[world.quote_coupon()], lines=[[world.quote_coupon()]])
    world.sync()

    report = world.sync()

    assert report.orders == 3
    assert report.writes == 0
    assert report.calls.salesforce <= KINDS_OF_RECORDS * -(-3 // PAGE) + MORE
