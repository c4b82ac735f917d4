"""Subscriptions and schedules: read, and written with discounts and proof in one request."""

from collections.abc import Sequence

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.stripe_api.keys import idempotency_key
from coupon_pipeline.stripe_api.messages import (
    SCHEDULE,
    SCHEDULE_UPDATE,
    SUBSCRIPTION,
    SUBSCRIPTION_UPDATE,
    Answer,
    Request,
    Send,
)
from coupon_pipeline.stripe_api.targets import EXPAND_SCHEDULE, EXPAND_SUBSCRIPTION


def retrieve_subscription(
    send: Send, subscription_id: str, expand: Sequence[str] = EXPAND_SUBSCRIPTION
) -> Answer:
    """The subscription as Stripe has it now.

    Raises:
        StripeRejected: `is_missing` when there is no such subscription.
        StripeEdgeError: it could not be read.
    """
    return send(Request(SUBSCRIPTION, subscription_id, {"expand": list(expand)}))


def retrieve_schedule(
    send: Send, schedule_id: str, expand: Sequence[str] = EXPAND_SCHEDULE
) -> Answer:
    """The subscription schedule as Stripe has it now.

    Raises:
        StripeRejected: `is_missing` when there is no such schedule.
        StripeEdgeError: it could not be read.
    """
    return send(Request(SCHEDULE, schedule_id, {"expand": list(expand)}))


def write_attachments(
    send: Send, update: SubscriptionUpdate | ScheduleUpdate, epoch: int = 0
) -> Answer:
    """Carry out one planned request and get the target back with the ids of its discounts.

    Discounts and proof travel together, so that neither can be there without the other. A lost
    answer is fetched again under the same key. After a failure that Stripe has stored, read the
    target back, plan again, and raise `epoch`.

    Raises:
        StripeEdgeError: nothing was changed, or `may_have_happened` where no answer tells.
    """
    scheduled = isinstance(update, ScheduleUpdate)
    expand = EXPAND_SCHEDULE if scheduled else EXPAND_SUBSCRIPTION
    params = {**update.params(), "expand": list(expand)}
    return send(
        Request(
            SCHEDULE_UPDATE if scheduled else SUBSCRIPTION_UPDATE,
            update.target_id,
            params,
            idempotency_key=idempotency_key("attach", update.target_id, params, epoch),
        )
    )
