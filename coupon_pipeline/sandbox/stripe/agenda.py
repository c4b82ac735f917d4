"""Who is to be woken when: the next moment of each subscription, schedule and customer."""

import heapq
from collections.abc import Iterable

from coupon_pipeline.sandbox.stripe.account import Account
from coupon_pipeline.sandbox.stripe.billing import (
    end_customer_discount,
    next_event,
    pass_moment,
    start_schedule,
)
from coupon_pipeline.sandbox.stripe.store import StripeObject

MOST_STEPS = 60


class Agenda:
    """The moments of one account, on the sandbox's clock and on each test clock."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._heaps: dict[str | None, list[tuple[int, str, str]]] = {}

    def note(self, changed: Iterable[tuple[str, str]]) -> None:
        """Look again at what was changed, kind and id."""
        seen: set[tuple[str, str]] = set()
        for kind, object_id in changed:
            thing = self._account.store.get(kind, object_id)
            if thing is None:
                continue
            if kind == "subscription_item":
                kind, object_id = "subscription", thing["subscription"]  # noqa: PLW2901 - an item has no moments of its own
            elif kind == "subscription_schedule" and thing["subscription"] is not None:
                kind, object_id = "subscription", thing["subscription"]  # noqa: PLW2901 - nor has a started schedule
            if (kind, object_id) in seen:
                continue
            seen.add((kind, object_id))
            self._push(kind, object_id)

    def _push(self, kind: str, object_id: str) -> None:
        thing = self._account.store.get(kind, object_id)
        due = None if thing is None else self._due(kind, thing)
        if thing is not None and due is not None:
            heap = self._heaps.setdefault(thing.get("test_clock"), [])
            heapq.heappush(heap, (due, kind, object_id))

    def _due(self, kind: str, thing: StripeObject) -> int | None:
        if kind == "subscription":
            return next_event(self._account, thing)
        if kind == "subscription_schedule" and thing["status"] == "not_started":
            start: int = thing["phases"][0]["start_date"]
            return start
        if kind == "customer" and thing.get("_discount") is not None:
            discount = self._account.store.get("discount", thing["_discount"])
            return None if discount is None else discount["end"]
        return None

    def catch_up(self, now: int, test_clock: str | None = None) -> None:
        """Let everything happen that was due by now, each at its own moment."""
        heap = self._heaps.get(test_clock)
        while heap and heap[0][0] <= now:
            moment, kind, object_id = heapq.heappop(heap)
            thing = self._account.store.get(kind, object_id)
            if thing is None or self._due(kind, thing) != moment:
                continue
            self._happen(kind, object_id, moment)
            changed = self._account.store.changed()
            self._account.store.commit()
            self.note(changed)

    def first_invoice(self, kind: str, object_id: str) -> StripeObject | None:
        """The next invoice of a subscription or schedule, made now and to be undone."""
        account = self._account
        known = set(account.store.table("invoice").objects)
        for _ in range(MOST_STEPS):
            thing = account.store.get(kind, object_id)
            due = None if thing is None else self._due(kind, thing)
            if due is None:
                return None
            self._happen(kind, object_id, due)
            made = [one for one in account.store.table("invoice").objects if one not in known]
            if made:
                return account.store.get("invoice", made[-1])
            thing = account.store.get(kind, object_id)
            if kind == "subscription_schedule" and thing is not None and thing["subscription"]:
                kind, object_id = "subscription", thing["subscription"]
        return None

    def _happen(self, kind: str, object_id: str, moment: int) -> None:
        self._account.pinned = moment
        try:
            if kind == "subscription":
                pass_moment(self._account, object_id, moment)
            elif kind == "customer":
                end_customer_discount(self._account, object_id, moment)
            else:
                schedule = self._account.store.edit(kind, object_id)
                start_schedule(self._account, schedule, strict=False)
        finally:
            self._account.pinned = None
