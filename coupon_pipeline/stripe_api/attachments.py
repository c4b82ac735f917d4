"""Subscriptions and schedules: read, and written with discounts and proof in one request."""

from collections.abc import Mapping, Sequence

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.verification import verify_schedule
from coupon_pipeline.stripe_api.errors import StripeRejected
from coupon_pipeline.stripe_api.keys import MOST_KEYS, holds, idempotency_key
from coupon_pipeline.stripe_api.messages import (
    SCHEDULE,
    SCHEDULE_UPDATE,
    SUBSCRIPTION,
    SUBSCRIPTION_UPDATE,
    Answer,
    JsonObject,
    Request,
    Send,
)
from coupon_pipeline.stripe_api.reading import Reader
from coupon_pipeline.stripe_api.targets import (
    EXPAND_SCHEDULE,
    EXPAND_SUBSCRIPTION,
    is_schedule_id,
    parse_schedule,
)


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
    answer is fetched again under the same key; where the proof is gone, or a phase to which nothing
    but what is there already was sent on, the answer is of a write that somebody has undone since,
    and the next key is used. After a failure that Stripe has stored, read the target back, plan
    again, and raise `epoch`.

    Raises:
        StripeEdgeError: nothing was changed, or `may_have_happened` where no answer tells.
    """
    scheduled = isinstance(update, ScheduleUpdate)
    params = _with_expand(update.target_id, update.params())
    retrieve = retrieve_schedule if scheduled else retrieve_subscription
    for key_number in range(epoch, epoch + MOST_KEYS):
        answer = send(
            Request(
                SCHEDULE_UPDATE if scheduled else SUBSCRIPTION_UPDATE,
                update.target_id,
                params,
                idempotency_key=idempotency_key("attach", update.target_id, params, key_number),
            )
        )
        if not answer.replayed:
            return answer
        if _is_kept(update, retrieve(send, update.target_id).body):
            return answer
    raise StripeRejected(
        f"{update.target_id} does not keep what was written to it.", reason="write_not_kept"
    )


def _is_kept(update: SubscriptionUpdate | ScheduleUpdate, there: JsonObject) -> bool:
    """Whether a write that Stripe has answered before is still to be seen.

    Of one that grants something only the proof tells: a discount may be spent or over by now.
    """
    if isinstance(update, ScheduleUpdate) and not update.metadata:
        return not verify_schedule(update, parse_schedule(there))
    return holds(Reader(there).texts("metadata"), update.metadata)


def key_of_write(target_id: str, params: Mapping[str, object], epoch: int) -> str:
    """The idempotency key under which `write_attachments` sends these parameters."""
    return idempotency_key("attach", target_id, _with_expand(target_id, params), epoch)


def _with_expand(target_id: str, params: Mapping[str, object]) -> dict[str, object]:
    expand = EXPAND_SCHEDULE if is_schedule_id(target_id) else EXPAND_SUBSCRIPTION
    return {**params, "expand": list(expand)}
