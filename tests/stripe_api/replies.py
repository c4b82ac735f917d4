"""Objects as Stripe's replies hold them."""

from coupon_pipeline.stripe_api.messages import JsonObject, JsonValue


def a_discount(discount_id: str, coupon: JsonValue, **more: JsonValue) -> JsonObject:
    """A Discount object of a reply."""
    return {
        "id": discount_id,
        "object": "discount",
        "source": {"type": "coupon", "coupon": coupon},
        "start": 1_000,
        "end": None,
        "promotion_code": None,
        **more,
    }


def a_subscription(**more: JsonValue) -> JsonObject:
    """A subscription of a reply, expanded as it is read."""
    item: JsonObject = {
        "id": "si_1",
        "object": "subscription_item",
        "price": {"id": "price_1", "object": "price"},
        "metadata": {"salesforce_order_item_id": "oi_1"},
        "quantity": 2,
        "discounts": [a_discount("di_item", "line", end=2_000)],
        "current_period_end": 3_000,
    }
    return {
        "id": "sub_1",
        "object": "subscription",
        "status": "active",
        "currency": "usd",
        "customer": {"id": "cus_1", "object": "customer", "discount": a_discount("di_vip", "vip")},
        "schedule": None,
        "metadata": {"team": "sales"},
        "discounts": [a_discount("di_1", {"id": "spring", "duration": "once"})],
        "items": {"object": "list", "data": [item]},
        "pause_collection": None,
        "livemode": False,
        **more,
    }


def a_schedule(**more: JsonValue) -> JsonObject:
    """A schedule of a reply, expanded as it is read."""
    phase: JsonObject = {
        "start_date": 100,
        "end_date": 200,
        "currency": "usd",
        "metadata": {"salesforce_order_id": "801"},
        "discounts": [{"coupon": None, "discount": "di_1", "promotion_code": None}],
        "items": [
            {
                "price": "price_1",
                "plan": "price_1",
                "quantity": 2,
                "metadata": {},
                "discounts": [{"coupon": "line", "discount": None, "promotion_code": None}],
            }
        ],
    }
    return {
        "id": "sub_sched_1",
        "object": "subscription_schedule",
        "status": "active",
        "customer": {"id": "cus_1", "object": "customer", "discount": None},
        "current_phase": {"start_date": 100, "end_date": 200},
        "phases": [phase],
        "metadata": {},
        "subscription": a_subscription(customer="cus_1", schedule="sub_sched_1"),
        "released_subscription": None,
        "end_behavior": "release",
        "default_settings": {"collection_method": "charge_automatically"},
        "livemode": False,
        **more,
    }
