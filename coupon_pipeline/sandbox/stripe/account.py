"""One Stripe account in one mode: its objects, its time, and how its ids are made."""

import random
import string
from collections.abc import Callable

from coupon_pipeline.sandbox.clock import Clock
from coupon_pipeline.sandbox.journal import Journal
from coupon_pipeline.sandbox.stripe.errors import no_such
from coupon_pipeline.sandbox.stripe.idempotency import IdempotencyStore
from coupon_pipeline.sandbox.stripe.store import Store, StripeObject
from coupon_pipeline.sandbox.switches import Switches

KINDS = (
    "customer",
    "product",
    "price",
    "tax_rate",
    "coupon",
    "archived_coupon",
    "promotion_code",
    "discount",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "invoice",
    "test_clock",
)
PREFIXES = {
    "customer": "cus",
    "product": "prod",
    "price": "price",
    "tax_rate": "txr",
    "promotion_code": "promo",
    "discount": "di",
    "subscription": "sub",
    "subscription_item": "si",
    "subscription_schedule": "sub_sched",
    "invoice": "in",
    "line_item": "il",
    "test_clock": "clock",
}
ALPHABET = string.ascii_letters + string.digits
ID_LENGTH = 24
SHORT_ID_LENGTH = 14
SHORT = {"customer", "product", "subscription_item"}


class Account:
    """What handlers work on. Test and live mode are two of these, with nothing in common."""

    def __init__(
        self,
        account_id: str,
        *,
        livemode: bool,
        clock: Clock,
        switches: Switches,
        journal: Journal,
        seed: int,
    ) -> None:
        self.account_id = account_id
        self.livemode = livemode
        self.clock = clock
        self.switches = switches
        self.default_currency = "usd"
        name = f"stripe.{account_id}.{'live' if livemode else 'test'}"
        self.store = Store(journal, name)
        self.store.load((*KINDS, "event"))
        self.idempotency = IdempotencyStore(journal, name)
        counts = "/".join(str(self.store.count(kind)) for kind in KINDS)
        self._random = random.Random(f"{seed}/{name}/{counts}")  # noqa: S311 - reproducible ids, no secrets
        self.sibling: Callable[[], Account | None] = lambda: None
        self.pinned: int | None = None

    def now(self, customer_id: str | None = None) -> int:
        """Unix seconds; those of the customer's test clock if it has one."""
        if self.pinned is not None:
            return self.pinned
        customer = self.store.get("customer", customer_id) if customer_id else None
        if customer is not None and customer.get("test_clock"):
            test_clock = self.store.get("test_clock", customer["test_clock"])
            if test_clock is not None:
                frozen: int = test_clock["frozen_time"]
                return frozen
        return int(self.clock.now().timestamp())

    def new_id(self, kind: str) -> str:
        """An id of this kind that is not in use."""
        length = SHORT_ID_LENGTH if kind in SHORT else ID_LENGTH
        prefix = PREFIXES[kind]
        while True:
            made = f"{prefix}_{self.random_text(length)}"
            if self.store.get(kind, made) is None:
                return made

    def random_text(self, length: int) -> str:
        """Letters and digits from the seed."""
        return "".join(self._random.choices(ALPHABET, k=length))

    def need(
        self, kind: str, object_id: str, *, param: str = "id", status: int = 404
    ) -> StripeObject:
        """The object, or Stripe's refusal that names the parameter.

        An object of the other mode is as unknown as one that never was; whether it has a code
        of its own is unconfirmed.
        """
        found = self.store.get(kind, object_id)
        if found is not None and not found.get("deleted"):
            return found
        sibling = self.sibling()
        if sibling is not None and sibling.store.get(kind, object_id) is not None:
            used, other = ("live", "test") if self.livemode else ("test", "live")
            error = no_such(
                kind,
                object_id,
                param,
                status=status,
                note=f"; a similar object exists in {other} mode, but a {used} mode key was used "
                "to make this request.",
            )
            if self.switches.stripe_wrong_mode == "livemode_mismatch":
                error.status, error.code = 400, "livemode_mismatch"
            raise error
        raise no_such(kind, object_id, param, status=status)

    def need_given(self, kind: str, object_id: str, param: str) -> StripeObject:
        """The object that a parameter names; 400 when there is none."""
        return self.need(kind, object_id, param=param, status=400)
