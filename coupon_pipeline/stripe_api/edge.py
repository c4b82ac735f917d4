"""Everything that the pipeline does at Stripe, as one resource."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property, partial

from coupon_pipeline.domain.attachments import ScheduleUpdate, SubscriptionUpdate
from coupon_pipeline.domain.overwritten import Told
from coupon_pipeline.domain.reuse import Reading, StripeCoupon
from coupon_pipeline.domain.terms import Terms
from coupon_pipeline.stripe_api import account, attachments, coupons, events
from coupon_pipeline.stripe_api.account import Account
from coupon_pipeline.stripe_api.client import StripeConnection
from coupon_pipeline.stripe_api.coupons import CouponReads, CouponWritten
from coupon_pipeline.stripe_api.errors import StripeEdgeError
from coupon_pipeline.stripe_api.examination import Examination, examine
from coupon_pipeline.stripe_api.listing import list_all
from coupon_pipeline.stripe_api.messages import COUPON, SCHEDULES, SUBSCRIPTIONS, Answer, JsonObject
from coupon_pipeline.stripe_api.targets import EXPAND_SCHEDULE, EXPAND_SUBSCRIPTION
from coupon_pipeline.stripe_api.workers import Job


class StripeEdge(StripeConnection):
    """The Stripe account: what is read from it and written to it.

    Single calls raise what went wrong; `read_coupons` and `run_all` keep what is one record's
    own trouble apart from what stops everything.
    """

    def read_coupons(
        self, coupon_ids: Iterable[str], answered: Callable[[int], None] | None = None
    ) -> CouponReads:
        """All these coupons with their terms, read at once by the workers.

        `answered` hears now and then how many more there are.

        Raises:
            StripeEdgeError: Stripe is down or refuses the key.
        """
        jobs: list[Job[Reading]] = [
            Job(
                coupon_id,
                partial(coupons.read_coupon, self.send, coupon_id),
                endpoint=COUPON.path,
            )
            for coupon_id in sorted(set(coupon_ids))
        ]
        readings: dict[str, Reading] = {}
        failed: dict[str, StripeEdgeError] = {}
        for outcomes in self.run_all(jobs):
            if answered is not None:
                answered(len(outcomes))
            for outcome in outcomes:
                if outcome.error is not None:
                    failed[outcome.job.name] = outcome.error
                elif outcome.result is not None:
                    readings[outcome.job.name] = outcome.result
        return CouponReads(readings, failed)

    def create_coupon(
        self, coupon_id: str, terms: Terms, metadata: Mapping[str, str], epoch: int = 0
    ) -> CouponWritten:
        """Make a coupon under its derived id, or read back the one that has it."""
        return coupons.create_coupon(self.send, coupon_id, terms, metadata, epoch)

    def update_coupon_metadata(
        self, coupon_id: str, metadata: Mapping[str, str], epoch: int = 0
    ) -> CouponWritten:
        """Set these metadata keys; `""` removes one; others stay."""
        return coupons.update_coupon_metadata(self.send, coupon_id, metadata, epoch)

    def list_coupons(self) -> Iterator[StripeCoupon]:
        """All coupons of the account, newest first."""
        return coupons.list_coupons(self.send)

    def retrieve_subscription(
        self, subscription_id: str, expand: Sequence[str] = EXPAND_SUBSCRIPTION
    ) -> Answer:
        """The subscription as it is now; StripeRejected with `is_missing` if there is none."""
        return attachments.retrieve_subscription(self.send, subscription_id, expand)

    def retrieve_schedule(
        self, schedule_id: str, expand: Sequence[str] = EXPAND_SCHEDULE
    ) -> Answer:
        """The schedule as it is now; StripeRejected with `is_missing` if there is none."""
        return attachments.retrieve_schedule(self.send, schedule_id, expand)

    def write_attachments(
        self, update: SubscriptionUpdate | ScheduleUpdate, epoch: int = 0
    ) -> Answer:
        """Carry out one planned request; the answer tells the ids of the target's discounts."""
        return attachments.write_attachments(self.send, update, epoch)

    def list_subscriptions(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        """Subscriptions that fit Stripe's filters."""
        return list_all(self.send, SUBSCRIPTIONS, params)

    def undoing_events(self, since: datetime) -> Iterator[Told]:
        """What requests took away or rewrote since then, as Stripe's events tell."""
        return events.undoing_events(self.send, since)

    def list_schedules(self, params: Mapping[str, object]) -> Iterator[JsonObject]:
        """Schedules that fit Stripe's filters."""
        return list_all(self.send, SCHEDULES, params)

    @cached_property
    def account(self) -> Account:
        """Who we are in Stripe, asked once."""
        return account.retrieve_account(self.send)

    def preview_invoice(self, target_id: str, params: Mapping[str, object] | None = None) -> Answer:
        """The next invoice, as it is or with changes such as `{"discounts": [...]}`."""
        return account.preview_invoice(self.send, target_id, params)

    def examine(self) -> Examination:
        """Whether key and account are ready, asked without writing; nothing is raised."""
        return examine(self)
