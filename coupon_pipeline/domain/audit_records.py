"""What differs in Salesforce: orders, what was signed, and the records that the pipeline writes."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

from coupon_pipeline.domain.difference import Difference, Held, Kind, Mender
from coupon_pipeline.domain.records import OrderCoupon
from coupon_pipeline.domain.snapshots import Snapshot


def differing_orders(ours: Held, theirs: Held) -> Iterator[Difference]:
    """Orders that name something else in Stripe than when they were last read."""
    for order_id, named in sorted(theirs.targets.items()):
        if order_id in ours.targets and ours.targets[order_id] != named:
            yield Difference(
                "edited",
                order_id,
                "{order} names {named} in Stripe; when the ledger last read it, that was {before}.",
                "The next sync of the order reads it again: run coupon-pipeline sync --order "
                "{order_id}.",
                Mender.SYNC,
                {"named": named or "nothing", "before": ours.targets[order_id] or "nothing"},
                order_id=order_id,
                contradicts_ledger=False,
            )


def differing_snapshots(ours: Held, theirs: Held) -> Iterator[Difference]:
    """Coupons that were signed and never came in, and proof in Salesforce that says other terms.

    Today's coupon proves nothing.
    """
    for snapshot_id, snapshot in sorted(theirs.snapshots.items()):
        order_id, quote_coupon_id = snapshot.scope.order_id, snapshot.quote_coupon_id
        found = theirs.discounts.get(snapshot_id)
        if snapshot_id not in ours.snapshots and not (found and found.granted):
            yield Difference(
                "missing",
                order_id,
                "{quote_coupon} was signed with {order}, and the ledger does not know it.",
                "Run coupon-pipeline sync --order {order_id}.",
                Mender.SYNC,
                order_id=order_id,
                quote_coupon_id=quote_coupon_id,
                contradicts_ledger=False,
            )
        mine, said = ours.hashes.get(snapshot_id), theirs.hashes.get(snapshot_id)
        same_mapping = mine is not None and said is not None and mine[0] == said[0]
        comparable = same_mapping and _rates(ours.snapshots.get(snapshot_id)) == _rates(snapshot)
        if snapshot.evidence == "order_coupon" and comparable and mine != said:
            yield Difference(
                "edited",
                snapshot.evidence_record_id,
                "Order coupon {record} of {order} has other terms than those that were frozen.",
                "What was signed stays. Put the order coupon back in Salesforce, or agree on "
                "another coupon with the customer.",
                Mender.PERSON,
                {"record": snapshot.evidence_record_id},
                order_id=order_id,
                quote_coupon_id=quote_coupon_id,
            )


def _rates(snapshot: Snapshot | None) -> Mapping[str, Decimal] | None:
    """By which its amounts are converted: other rates make other terms of the same record."""
    return None if snapshot is None or snapshot.rates is None else snapshot.rates.rates


def differing_order_coupons(ours: Held, theirs: Held) -> Iterator[Difference]:
    """Copies that are gone, and Stripe ids on them that are not those of the last look."""
    orders = {s.scope.order_item_id: s.scope.order_id for s in ours.snapshots.values()}
    for its_id, known in sorted(ours.order_coupons.items()):
        there = theirs.order_coupons.get(its_id)
        order_id = known.order_id or orders.get(known.order_item_id)
        if order_id is None or order_id not in theirs.targets:
            continue
        if there is None:
            yield Difference(
                "deleted",
                its_id,
                "Order coupon {record} of {order} is not there any more.",
                "The terms stay frozen. A sync of the order writes it again where it is missing: "
                "run coupon-pipeline sync --order {order_id}.",
                Mender.SYNC,
                {"record": its_id},
                order_id=order_id,
                quote_coupon_id=known.quote_coupon_id,
                contradicts_ledger=False,
            )
        elif there.stripe_id != known.stripe_id:
            yield Difference(
                "edited",
                its_id,
                "Order coupon {record} of {order} names Stripe coupon {named}, not {before}.",
                "Run coupon-pipeline sync --order {order_id}, which writes it again.",
                Mender.SYNC,
                {
                    "record": its_id,
                    "named": there.stripe_id or "nothing",
                    "before": known.stripe_id or "nothing",
                },
                order_id=order_id,
                quote_coupon_id=known.quote_coupon_id,
                contradicts_ledger=False,
            )


def added_order_coupons(ours: Held, theirs: Held) -> Iterator[Difference]:
    """A second copy beside the one that the ledger knows.

    The only one is none: the pipeline itself writes it where the trigger left it out.
    """
    known = {_place(each): each for each in ours.order_coupons.values()}
    orders = {s.scope.order_item_id: s.scope.order_id for s in ours.snapshots.values()}
    for its_id, there in sorted(theirs.order_coupons.items()):
        first = known.get(_place(there))
        order_id = there.order_id or orders.get(there.order_item_id)
        if first is None or its_id in ours.order_coupons or order_id is None:
            continue
        if first.order_coupon_id in theirs.order_coupons:
            yield Difference(
                "extra",
                its_id,
                "Order coupon {record} of {order} is a second copy beside {first}.",
                "The coupon is granted once. Delete the copy that nobody needs in Salesforce, then "
                "run coupon-pipeline sync --order {order_id}.",
                Mender.PERSON,
                {"record": its_id, "first": first.order_coupon_id},
                order_id=order_id,
                quote_coupon_id=there.quote_coupon_id,
                contradicts_ledger=False,
            )


def _place(copy: OrderCoupon) -> tuple[str | None, str]:
    """Two copies with the same are of the same coupon on the same record."""
    return copy.order_item_id or copy.order_id, copy.quote_coupon_id


def differing_quote_coupons(ours: Held, theirs: Held) -> Iterator[Difference]:
    """Quote coupons that are gone, and Stripe ids on them that are not those of the last look.

    Their own fields are for people to edit: what was signed is frozen.
    """
    orders: dict[str, str] = {}
    for snapshot in sorted(
        theirs.snapshots.values(), key=lambda s: (s.activated_at, s.snapshot_id)
    ):
        orders[snapshot.quote_coupon_id] = snapshot.scope.order_id
    for its_id, known in sorted(ours.quote_coupons.items()):
        there = theirs.quote_coupons.get(its_id)
        if its_id not in orders or known.is_deleted:
            continue
        if there is None or there.is_deleted:
            yield Difference(
                "deleted",
                its_id,
                "{quote_coupon} is not there any more.",
                "Nothing has to be done: what was signed with it is frozen.",
                Mender.NOBODY,
                order_id=orders[its_id],
                quote_coupon_id=its_id,
                contradicts_ledger=False,
            )
        elif there.stripe_id != known.stripe_id:
            yield Difference(
                "edited",
                its_id,
                "{quote_coupon} names Stripe coupon {named}, not {before}.",
                "Run coupon-pipeline sync --order {order_id}, which writes the Stripe coupon of "
                "its terms of today where there is one.",
                Mender.SYNC,
                {"named": there.stripe_id or "nothing", "before": known.stripe_id or "nothing"},
                order_id=orders[its_id],
                quote_coupon_id=its_id,
                contradicts_ledger=False,
            )


def differing_sync_records(ours: Held, theirs: Held) -> Iterator[Difference]:
    """What the sales team is told, and is not what the pipeline told it.

    One that says that all is done may be cleaned away.
    """
    for its_id in sorted(ours.sync_records.keys() | theirs.sync_records.keys()):
        known, there = ours.sync_records.get(its_id), theirs.sync_records.get(its_id)
        kind: Kind
        if known is None:
            kind, sentence = "extra", "Sync record {record} of {order} is not known to the ledger."
        elif there is None:
            kind, sentence = "deleted", "Sync record {record} of {order} is not there any more."
        else:
            kind, sentence = "edited", "Sync record {record} of {order} says something else."
        about = known or there
        if about is None or known == there or (there is None and about.status == "Resolved"):
            continue
        yield Difference(
            kind,
            its_id,
            sentence,
            "Run coupon-pipeline rebuild-ledger, which takes over what is there; the next sync "
            "tells what is blocked again.",
            Mender.REBUILD,
            {"record": its_id},
            order_id=about.order_id,
            contradicts_ledger=False,
        )
