"""Subscription items on their own (https://docs.stripe.com/api/subscription_items)."""

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import Answer, Call, Shown, list_page
from coupon_pipeline.sandbox.stripe.errors import ConditionError
from coupon_pipeline.sandbox.stripe.items import (
    add_item,
    change_item,
    check_not_empty,
    remove_item,
)
from coupon_pipeline.sandbox.stripe.splitting import split_active_phase
from coupon_pipeline.sandbox.stripe.store import StripeObject
from coupon_pipeline.sandbox.stripe.subscriptions import ENDED


def create(account: Account, call: Call) -> Answer:
    """Add an item to a subscription."""
    given: str = call.params["subscription"]
    account.need_given("subscription", given, "subscription")
    subscription = _editable(account, given)
    item = add_item(account, subscription, call.params)
    split_active_phase(account, subscription, {"items": []})
    return Shown("subscription_item", item)


def retrieve(account: Account, call: Call) -> Answer:
    """One item."""
    return Shown("subscription_item", account.need("subscription_item", call.id))


def update(account: Account, call: Call) -> Answer:
    """Change what is given."""
    before = account.need("subscription_item", call.id)
    subscription = _editable(account, before["subscription"])
    item = change_item(account, subscription, call.id, call.params)
    if set(call.params) - {"metadata", "expand"}:
        split_active_phase(account, subscription, {"items": []})
    return Shown("subscription_item", item)


def delete(account: Account, call: Call) -> Answer:
    """Take the item off its subscription."""
    before = account.need("subscription_item", call.id)
    subscription = _editable(account, before["subscription"])
    remove_item(account, subscription, call.id, "")
    check_not_empty(subscription)
    split_active_phase(account, subscription, {"items": []})
    return Shown(
        "subscription_item", {"id": call.id, "object": "subscription_item", "deleted": True}
    )


def list_all(account: Account, call: Call) -> Answer:
    """The items of one subscription, newest first."""
    given: str = call.params["subscription"]
    subscription = account.need_given("subscription", given, "subscription")
    found = (account.store.get("subscription_item", one) for one in subscription["_items"])
    places = account.store.table("subscription_item").places
    among = sorted((one for one in found if one), key=lambda one: places[one["id"]])
    url = "/v1/subscription_items"
    return list_page(account, "subscription_item", call, url, None, among)


def _editable(account: Account, subscription_id: str) -> StripeObject:
    subscription = account.need("subscription", subscription_id)
    if subscription["status"] in ENDED:
        raise ConditionError(
            "A canceled subscription can only update its cancellation_details and metadata."
        )
    return account.store.edit("subscription", subscription_id)
