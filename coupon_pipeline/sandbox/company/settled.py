"""Orders of a large company whose story is not told event by event: written as it ended.

They are everyday orders only. Their objects in Stripe are copies of one subscription that the
service made itself, with the ids, times and prices of each order. What is alike in them is the
same object in memory: the service never changes a stored object in place.
"""

import random
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from coupon_pipeline.sandbox.company.deals import Deal
from coupon_pipeline.sandbox.company.order_sync import link_metadata
from coupon_pipeline.sandbox.company.org import SYNC_DELAY, Org, StripeIds, WrittenDeal
from coupon_pipeline.sandbox.stripe.periods import next_boundary

if TYPE_CHECKING:  # the sandbox fills itself with this module
    from coupon_pipeline.sandbox.serving import Sandbox

StripeObject: TypeAlias = dict[str, Any]

ALPHABET: Final = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Pattern:
    """The objects in Stripe of one order that was synced."""

    customer: StripeObject
    subscription: StripeObject
    item: StripeObject


def settle(
    sandbox: "Sandbox",
    org: Org,
    deals: Sequence[Deal],
    pattern: Pattern,
    *,
    edited_at: datetime,
    seed: int,
) -> None:
    """Write these deals into both services; customers that the org knows keep their ids."""
    customers = {
        number: str(account["Stripe_ID__c"])
        for number, account_id in org.accounts.items()
        if (account := sandbox.salesforce.get("Account", account_id)) is not None
    }
    ids = _mint(deals, customers, seed)
    known = set(customers)
    written = replace(org, settled=ids).write_deals(deals)
    org.serialise_coupons(written, edited_at)
    copies = _Copies(sandbox, org.catalogue.prices, pattern, ids)
    sandbox.stripe.insert("customer", copies.customers(written, known))
    sandbox.stripe.insert("subscription_item", copies.items(written))
    sandbox.stripe.insert("subscription", copies.subscriptions(written))


def _mint(deals: Sequence[Deal], customers: Mapping[int, str], seed: int) -> dict[int, StripeIds]:
    draw = random.Random(f"settled/{seed}")  # noqa: S311 - the same seed, the same company
    known = dict(customers)

    def mint(prefix: str, length: int) -> str:
        return prefix + "".join(draw.choices(ALPHABET, k=length))

    ids = {}
    for deal in deals:
        number = deal.customer.number
        if number not in known:
            known[number] = mint("cus_", 14)
        items = tuple(mint("si_", 14) for _ in deal.lines)
        ids[deal.number] = StripeIds(known[number], mint("sub_1", 23), items)
    return ids


@dataclass(frozen=True)
class _Copies:
    sandbox: "Sandbox"
    prices: Mapping[tuple[str, str], str]
    pattern: Pattern
    ids: Mapping[int, StripeIds]

    def customers(self, written: Sequence[WrittenDeal], known: set[int]) -> Iterator[StripeObject]:
        """Each new customer once."""
        for one in written:
            customer = one.deal.customer
            if customer.number in known:
                continue
            known.add(customer.number)
            yield self.pattern.customer | {
                "id": self.ids[one.deal.number].customer,
                "name": customer.name,
                "created": _synced(one.deal),
                "currency": one.deal.currency.lower(),
                "metadata": self._metadata("account", one.account_id),
            }

    def items(self, written: Sequence[WrittenDeal]) -> Iterator[StripeObject]:
        """All items of all subscriptions."""
        for one in written:
            start, end = self._period(one.deal)
            ids = self.ids[one.deal.number]
            for line, order_item, item in zip(one.deal.lines, one.item_ids, ids.items, strict=True):
                yield self.pattern.item | {
                    "id": item,
                    "created": _synced(one.deal),
                    "current_period_start": start,
                    "current_period_end": end,
                    "metadata": self._metadata("order_item", order_item),
                    "price": self.prices[line.product, one.deal.currency],
                    "quantity": line.quantity,
                    "subscription": ids.subscription,
                }

    def subscriptions(self, written: Sequence[WrittenDeal]) -> Iterator[StripeObject]:
        """Active, and invoiced up to now."""
        for one in written:
            ids = self.ids[one.deal.number]
            synced = _synced(one.deal)
            yield self.pattern.subscription | {
                "id": ids.subscription,
                "billing_cycle_anchor": synced,
                "created": synced,
                "start_date": synced,
                "currency": one.deal.currency.lower(),
                "customer": ids.customer,
                "latest_invoice": None,
                "metadata": self._metadata("order", one.order_id),
                "_items": list(ids.items),
            }

    def _metadata(self, name: str, record_id: str) -> dict[str, str]:
        return link_metadata(self.sandbox.addresses.salesforce_url, name, record_id)

    def _period(self, deal: Deal) -> tuple[int, int]:
        anchor = _synced(deal)
        present = int(self.sandbox.clock.present().timestamp())
        end = next_boundary(anchor, "month", 1, present)
        return next_boundary(anchor, "month", 1, end - 32 * 24 * 3600), end


def _synced(deal: Deal) -> int:
    return int((deal.activated_at + SYNC_DELAY).timestamp())
