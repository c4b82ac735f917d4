"""What happened in the company, in the order in which it happened."""

import gc
import heapq
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Final, TypeAlias

from coupon_pipeline.sandbox.company.catalogue import Catalogue
from coupon_pipeline.sandbox.company.deals import DAYS, STORY_ORDERS, plan_deals
from coupon_pipeline.sandbox.company.desk import COUPON, ORDER_COUPON, QUOTE_ASSOCIATION, Desk
from coupon_pipeline.sandbox.company.order_sync import OrderSync, create_prices
from coupon_pipeline.sandbox.company.org import SYNC_DELAY, Org, WrittenDeal
from coupon_pipeline.sandbox.company.settled import Pattern, settle
from coupon_pipeline.sandbox.company.tables import Afterwards, company_tables

if TYPE_CHECKING:  # the sandbox fills itself with this module
    from coupon_pipeline.sandbox.serving import Sandbox

Event: TypeAlias = tuple[datetime, Callable[[], None]]

BEFORE_THE_FIRST_QUOTE: Final = timedelta(days=30)
EDIT_BEFORE_PRESENT: Final = timedelta(days=35)
CLEAN_UP_BEFORE_PRESENT: Final = timedelta(minutes=20)
NEXT_DAY: Final = timedelta(days=1)


def fill(sandbox: "Sandbox", orders: int, seed: int) -> None:
    """Make the company in both services: the same seed, size and present, the same company.

    Salesforce's records up to the draft orders are put in bulk; activation, edits and the
    order sync run through the services' own code, at the time when each is supposed to have
    happened, so the trigger serialises the coupons as they were.
    """
    tables = company_tables()
    present = sandbox.clock.now()
    deals = plan_deals(tables, orders, seed, present, multi_currency=sandbox.multi_currency)
    desk = Desk(sandbox.salesforce, tables, sandbox.multi_currency)
    catalogue = Catalogue(desk, present - timedelta(days=DAYS) - BEFORE_THE_FIRST_QUOTE)
    large = orders > STORY_ORDERS
    with _without_collection(large=large), sandbox.clock.writing_history() as stand_at:
        stand_at(catalogue.since)
        catalogue.write(create_prices(sandbox, tables))
        org = Org(desk, catalogue)
        edited_at = present - EDIT_BEFORE_PRESENT
        earlier, story = deals[:-STORY_ORDERS], deals[-STORY_ORDERS:]
        if earlier:
            first = org.write_deals(earlier[:1])
            _tell(_History(sandbox, catalogue, first, present).orders(), stand_at)
            pattern = _pattern(sandbox, first[0])
            settle(sandbox, org, earlier[1:], pattern, edited_at=edited_at, seed=seed)
        history = _History(sandbox, catalogue, org.write_deals(story), present)
        _tell(heapq.merge(history.orders(), history.coupon_edits(), key=itemgetter(0)), stand_at)
    sandbox.stripe.catch_up()


def _tell(events: Iterator[Event], stand_at: Callable[[datetime], None]) -> None:
    for moment, happen in events:
        stand_at(moment)
        happen()


def _pattern(sandbox: "Sandbox", synced: WrittenDeal) -> Pattern:
    order = sandbox.salesforce.get("Order", synced.order_id) or {}
    subscription = sandbox.stripe.get("subscription", str(order["Stripe_ID__c"]))
    assert subscription is not None
    customer = sandbox.stripe.get("customer", subscription["customer"])
    item = sandbox.stripe.get("subscription_item", subscription["_items"][0])
    assert customer is not None
    assert item is not None
    return Pattern(customer, subscription, item)


@contextmanager
def _without_collection(*, large: bool) -> Iterator[None]:
    """A large company is millions of objects that stay: not worth looking through for garbage.

    Neither while it is made nor, for a large one, ever after: a collection takes seconds.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if large:
            gc.freeze()
        if was_on:
            gc.enable()


class _History:
    """The events after the orders were drafted."""

    def __init__(
        self,
        sandbox: "Sandbox",
        catalogue: Catalogue,
        written: Sequence[WrittenDeal],
        present: datetime,
    ) -> None:
        self._salesforce = sandbox.salesforce
        self._order_sync = OrderSync(sandbox)
        self._desk = catalogue.desk
        self._coupons = catalogue.coupons
        self._written = written
        self._present = present
        self._afterwards: dict[Afterwards, Callable[[WrittenDeal], None]] = {
            "late_association": self._associate_late,
            "order_coupon_edited": self._edit_order_coupon,
            "association_deleted": self._delete_associations,
        }

    def orders(self) -> Iterator[Event]:
        """What happened to orders, oldest first."""
        return heapq.merge(self._activations(), self._syncs(), self._sequels(), key=itemgetter(0))

    def _activations(self) -> Iterator[Event]:
        for one in self._written:
            if one.deal.scenario.trigger != "works":
                self._salesforce.trigger.modes[one.order_id] = one.deal.scenario.trigger
            yield one.deal.activated_at, partial(self._salesforce.activate, [one.order_id])

    def _syncs(self) -> Iterator[Event]:
        for one in self._written:
            target = one.deal.scenario.target
            moment = one.deal.activated_at + SYNC_DELAY
            yield moment, partial(self._order_sync.sync, one.order_id, target)

    def _sequels(self) -> Iterator[Event]:
        """A day after activation, or just now when that has not passed."""
        sequels = [
            (min(one.deal.activated_at + NEXT_DAY, self._present - CLEAN_UP_BEFORE_PRESENT), one)
            for one in self._written
            if one.deal.scenario.after
        ]
        for moment, one in sorted(sequels, key=itemgetter(0)):
            for what in one.deal.scenario.after:
                yield moment, partial(self._afterwards[what], one)

    def coupon_edits(self) -> Iterator[Event]:
        """What happened to coupons, oldest first."""
        ids = self._coupons
        coupons = [row for row in self._desk.tables.coupons if row.key in ids]
        for row in coupons:
            if row.edited_to is not None:
                changes = {
                    "Name__c": row.edited_to["name"],
                    "Percent_Off__c": Decimal(row.edited_to["percent_off"]),
                }
                edit = partial(self._salesforce.update, COUPON, ids[row.key], changes)
                yield self._present - EDIT_BEFORE_PRESENT, edit
        end = self._present - CLEAN_UP_BEFORE_PRESENT
        for row in coupons:
            if row.currency_later is not None and self._desk.multi_currency:
                changed = {"CurrencyIsoCode": row.currency_later}
                yield end, partial(self._salesforce.update, COUPON, ids[row.key], changed)
            if row.deleted_later:
                yield end, partial(self._salesforce.delete, COUPON, ids[row.key])

    def _associate_late(self, one: WrittenDeal) -> None:
        association: dict[str, object] = {
            "Quote__c": one.quote_id,
            "Quote_Stripe_Coupon__c": self._coupons["late"],
        }
        if self._desk.multi_currency:
            association["CurrencyIsoCode"] = one.deal.currency
        self._salesforce.create(QUOTE_ASSOCIATION, association)

    def _edit_order_coupon(self, one: WrittenDeal) -> None:
        for coupon in self._salesforce.where(ORDER_COUPON, "Order__c", one.order_id):
            self._salesforce.update(ORDER_COUPON, str(coupon["Id"]), {"Amount_Off__c": 25})

    def _delete_associations(self, one: WrittenDeal) -> None:
        for object_name, association_id in one.association_ids.values():
            self._salesforce.delete(object_name, association_id)
