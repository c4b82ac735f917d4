"""Events about discounts and schedules (https://docs.stripe.com/api/events).

Only `customer.discount.created`, `customer.discount.deleted` and `subscription_schedule.updated`,
and of those only what a request caused: what the clock does, such as using a `once` up or beginning
a phase, leaves none here.
"""

import hashlib
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.answers import (
    Answer,
    Call,
    Shown,
    all_of,
    created,
    list_page,
)
from coupon_pipeline.sandbox.stripe.contract import api_version
from coupon_pipeline.sandbox.stripe.errors import exclusive_parameters
from coupon_pipeline.sandbox.stripe.store import StripeObject

HOLDERS = ("subscription", "subscription_item")


@dataclass(frozen=True, slots=True)
class Cause:
    """The request that an event comes from."""

    request_id: str | None = None
    idempotency_key: str | None = None


NOBODY = Cause()


def note_changes(account: Account, cause: Cause) -> None:
    """Keep an event for each discount that the open transaction puts on or takes off.

    And one for each schedule that it changes.
    """
    before: dict[str, None] = {}
    after: dict[str, None] = {}
    for kind, object_id in account.store.changed():
        if kind == "subscription_schedule":
            _note_schedule(account, object_id, cause)
        if kind in HOLDERS:
            before |= dict.fromkeys(_discounts(account.store.original(kind, object_id)))
            after |= dict.fromkeys(_discounts(account.store.get(kind, object_id)))
    for discount_id in before:
        if discount_id not in after:
            _note(account, "customer.discount.deleted", cause, _discount=discount_id)
    for discount_id in after:
        if discount_id not in before:
            _note(account, "customer.discount.created", cause, _discount=discount_id)


def list_all(account: Account, call: Call) -> Answer:
    """Events, newest first."""
    params = call.params
    if "type" in params and "types" in params:
        raise exclusive_parameters(["type", "types"])
    patterns = params.get("types") or [params.get("type", "*")]

    def is_asked_for(event: StripeObject) -> bool:
        return any(fnmatchcase(event["type"], pattern) for pattern in patterns)

    wanted = all_of(created(params), is_asked_for)
    return list_page(account, "event", call, "/v1/events", wanted)


def retrieve(account: Account, call: Call) -> Answer:
    """One event."""
    return Shown("event", account.need("event", call.id))


def _discounts(holder: StripeObject | None) -> list[str]:
    return [] if holder is None else list(holder["discounts"])


def _note_schedule(account: Account, schedule_id: str, cause: Cause) -> None:
    """One that ends has an event of another type, which nobody here asks for."""
    before = account.store.original("subscription_schedule", schedule_id)
    after = account.store.get("subscription_schedule", schedule_id)
    if before is not None and after is not None and after["status"] in {"not_started", "active"}:
        _note(account, "subscription_schedule.updated", cause, _before=before, _after=after)


def _note(account: Account, what: str, cause: Cause, **about: object) -> None:
    """`about` is what it is rendered from; stored objects are never changed in place."""
    number = account.store.count("event")
    name = f"{account.account_id}/{account.livemode}/{number}"
    account.store.add(
        "event",
        {
            "id": f"evt_{hashlib.sha256(name.encode()).hexdigest()[:24]}",
            "object": "event",
            "api_version": api_version(),
            "created": int(time.time()),
            "data": {},
            "livemode": account.livemode,
            "pending_webhooks": 0,
            "request": {"id": cause.request_id, "idempotency_key": cause.idempotency_key},
            "type": what,
            **about,
        },
    )
