"""Every request that the pipeline makes is one that the installed SDK's types allow."""

from datetime import timedelta

from tests.contract.stripe_types import validate_request
from tests.world import World


def sent(world: World) -> dict[str, set[str]]:
    """What is wrong with each request of the log, by endpoint; each endpoint once."""
    found: dict[str, set[str]] = {}
    for call in world.sandbox.calls.all("stripe"):
        body = call.body.decode() or call.query
        path = call.path.partition("?")[0]
        kind = f"{call.method} {'/'.join(path.split('/')[:3])}"
        found.setdefault(kind, set()).update(validate_request(call.method, path, body))
    return found


def test_requests_for_coupons_subscriptions_items_and_schedules_conform(world: World) -> None:
    """The sandbox could be as wrong as the pipeline: the types are Stripe's own."""
    coupons = [
        world.quote_coupon(Name__c="Ten", Max_Redemptions__c=5),
        world.quote_coupon(Amount_Off__c=50, Duration__c="repeating", Duration_In_Months__c=3),
    ]
    world.order(coupons=coupons, lines=[[world.quote_coupon(Percent_Off__c=5)], []])
    scheduled = world.order(coupons=coupons, lines=[[world.quote_coupon(Percent_Off__c=7)]])
    world.manage(scheduled)
    later = world.order(coupons=[world.quote_coupon(Duration__c="forever")], synced=False)
    world.schedule_later(later, starts_in=timedelta(days=9))
    world.sandbox.calls.clear()

    world.sync()
    world.forget_ledger()
    world.sync()

    found = sent(world)
    assert {what for faults in found.values() for what in faults} == set()
    assert {
        "POST /v1/coupons",
        "POST /v1/subscriptions",
        "POST /v1/subscription_schedules",
    } <= set(found)
