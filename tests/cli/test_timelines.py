"""The timeline of `explain`: activation to discount, and what people did in between."""

from coupon_pipeline.cli.stories import read_stories
from tests.world import World


def test_edits_in_salesforce_and_stripe_stand_between_our_writes(world: World) -> None:
    """A second grant on the same subscription finds what somebody put there."""
    coupon = world.quote_coupon(Name__c="Spring", Duration__c="forever")
    order = world.order(coupons=[coupon])
    first = world.sync_without_dagster(world.selection())
    ours = world.discount_ids(order.subscription_id)[0]
    world.update("Quote_Stripe_Coupon__c", coupon, Percent_Off__c=20)
    theirs = world.stripe_create("coupon", percent_off=50, duration="forever")
    world.put_by_hand(order.subscription_id, str(theirs["id"]))
    by_hand = next(d for d in world.discount_ids(order.subscription_id) if d != ours)
    later = world.quote_coupon(Percent_Off__c=5, Duration__c="forever")
    world.another_order_on(order, coupons=[later])
    world.sync_without_dagster(world.selection())

    (story,) = read_stories(world.ledger, order.order_id)
    by_what: dict[str, list[str]] = {}
    for event in story.timeline:
        by_what.setdefault(event.what, []).append(event.text)

    assert any(
        "Percent_Off__c was 10 and became 20" in t for t in by_what["edited_after_activation"]
    )
    (changed,) = by_what["changed_in_between"]
    assert str(order.subscription_id) in changed
    assert by_hand in changed
    writes = [e for e in story.timeline if e.details.get("target_id") == order.subscription_id]
    assert [e.what for e in writes] == ["write", "attachment", "changed_in_between", "write"]
    assert writes[0].run_id == first.run_id
    assert len({e.request_id for e in writes if e.what == "write"} - {None}) == 2
    assert any(t.startswith("attachment.removed_by_hand: ") for t in by_what["problem"])

    (narrow,) = read_stories(world.ledger, later)
    assert not any(coupon in event.text for event in narrow.timeline)
