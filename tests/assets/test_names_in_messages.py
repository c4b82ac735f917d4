"""People look records up by number and name: each problem has them beside the ids."""

from coupon_pipeline.cli.stories import read_stories
from coupon_pipeline.domain.problems import CATALOGUE, Problem, RecordNames, coupon_name
from tests.world import World

NAMES = RecordNames({"801A": "00000123"}, {"802A": "Seat 0000000042"}, {"a1CA": '"Launch" 0007'})


def test_every_sentence_that_names_a_record_names_it_both_ways() -> None:
    """The id is what can be searched for, the name is what people know."""
    problems = [
        Problem(code, order_id="801A", order_item_id="802A", quote_coupon_id="a1CA")
        for code in CATALOGUE
    ]

    for problem in problems:
        told = problem.message_with(NAMES)
        for unnamed in ("order item 802A", "quote coupon a1CA", "order 801A"):
            assert unnamed.lower() not in told.lower(), problem.code


def test_a_coupon_without_a_name_is_called_by_its_number() -> None:
    """The name is optional in Salesforce."""
    assert coupon_name(None, "0007") == "0007"
    assert coupon_name("Launch", "0007") == '"Launch" 0007'
    assert coupon_name(None, None) is None


def test_names_reach_problems_and_sync_records(world: World) -> None:
    """And what somebody typed as a name steers no terminal on its way."""
    bad = world.bad_quote_coupon(Name__c="Launch\x1b[31m")
    order = world.order(coupons=[bad], lines=[[world.quote_coupon()]])
    late = world.quote_coupon()
    world.create(
        "Quote_Line_Stripe_Coupon_Association__c",
        Quote_Line__c=order.line_ids[0],
        Quote_Stripe_Coupon__c=late,
    )
    number = str(world.record("Order", order.order_id)["OrderNumber"])
    item_number = str(world.record("OrderItem", order.item_ids[0])["OrderItemNumber"])
    coupon_number = str(world.record("Quote_Stripe_Coupon__c", bad)["Name"])

    report = world.sync_without_dagster(world.selection())

    messages = {problem.code: problem.message for problem in report.problems}
    called = f'uote coupon "Launch[31m" {coupon_number} ({bad})'
    assert called in messages["coupon.no_discount"]
    assert f"order {number} ({order.order_id})" in messages["association.late"]
    assert (
        f"order item Product 1 {item_number} ({order.item_ids[0]})" in messages["association.late"]
    )
    assert any(called in str(r["Resolution_Message__c"]) for r in world.records("Sync_Record__c"))
    (story,) = read_stories(world.ledger, order.order_id)
    assert any(called in chapter.headline for chapter in story.chapters)
