"""What differs between the ledger and both systems, and who may mend it.

Two accounts of everything are compared: the ledger's, and the one that reading both systems gives.
What the pipeline may not do itself is said to be for a person: it deletes no coupon, makes none in
the place of one that ended, touches no discount of others, and grants nothing a second time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from coupon_pipeline.domain.difference import Difference, Held, HeldDiscount, Kind, Mender, Seen
from coupon_pipeline.domain.reuse import StripeCoupon, metadata_changes, terms_of_stripe
from coupon_pipeline.domain.snapshots import Snapshot
from coupon_pipeline.domain.targets import (
    DiscountEntry,
    LiveDiscount,
    ScheduleState,
    SubscriptionState,
)
from coupon_pipeline.domain.terms import differences as differing_terms


def differences(ours: Held, theirs: Held, seen: Seen, now: datetime) -> tuple[Difference, ...]:
    """Every difference once: coupons, then orders, then what is on their targets.

    Args:
        ours: what the ledger says.
        theirs: what a new ledger says that was made from both systems.
        seen: what was read in Stripe for it.
        now: the time, by which a coupon has expired or not.
    """
    return (
        *_coupons(ours, theirs, seen),
        *_ended_coupons(ours, seen, now),
        *_orders(ours, theirs),
        *_snapshots(ours, theirs),
        *_order_coupons(ours, theirs),
        *_discounts(ours, theirs, seen),
        *_on_targets(ours, theirs, seen, int(now.timestamp())),
    )


def _coupons(ours: Held, theirs: Held, seen: Seen) -> Iterator[Difference]:
    for its_id, coupon in sorted(ours.coupons.items()):
        there = theirs.coupons.get(its_id)
        about = {"coupon": its_id}
        if its_id in seen.edited:
            terms = terms_of_stripe(seen.coupons[its_id])
            told = "; ".join(map(str, differing_terms(coupon.terms, terms)))
            yield Difference(
                "edited",
                its_id,
                "Stripe coupon {coupon} was edited: its terms are others.",
                "Put it back in Stripe's dashboard ({differences}). Until then no new discount is "
                "made from it.",
                Mender.PERSON,
                about | {"differences": told},
                quote_coupon_id=coupon.quote_coupon_id,
            )
        elif there is None:
            yield Difference(
                "deleted",
                its_id,
                "Stripe coupon {coupon} of {quote_coupon} is not there.",
                "Customers keep the discounts that they have. For new ones somebody has to make "
                "another quote coupon in Salesforce: the pipeline does not make this one again.",
                Mender.PERSON,
                about,
                quote_coupon_id=coupon.quote_coupon_id,
            )
        else:
            written = {k: v for k, v in coupon.metadata.items() if k in there.metadata}
            for key in sorted(metadata_changes(written, there.metadata, {})):
                yield Difference(
                    "edited",
                    its_id,
                    "Metadata {key} of Stripe coupon {coupon} is not what was written.",
                    "Run coupon-pipeline rebuild-ledger, which takes over what is there; the next "
                    "sync writes what it should be.",
                    Mender.REBUILD,
                    about | {"key": key},
                    quote_coupon_id=coupon.quote_coupon_id,
                )
    promised = {
        (s.quote_coupon_id, theirs.hashes[i][1])
        for i, s in theirs.snapshots.items()
        if i in theirs.hashes
    }
    for its_id, coupon in sorted(theirs.coupons.items()):
        if its_id not in ours.coupons:
            yield Difference(
                "extra",
                its_id,
                "Stripe coupon {coupon} was made by the pipeline, and the ledger does not know it.",
                "Run coupon-pipeline rebuild-ledger; it is found again as well by the next sync "
                "that needs it.",
                Mender.REBUILD,
                {"coupon": its_id},
                quote_coupon_id=coupon.quote_coupon_id,
            )
        elif coupon.key not in promised and not _is_granted(ours, its_id):
            yield Difference(
                "orphaned",
                its_id,
                "Stripe coupon {coupon} of {quote_coupon} serves no activated order any more.",
                "Nothing has to be done. The pipeline deletes no coupon; who wants it gone deletes "
                "it in Stripe.",
                Mender.NOBODY,
                {"coupon": its_id},
                quote_coupon_id=coupon.quote_coupon_id,
                contradicts_ledger=False,
            )


def _is_granted(held: Held, coupon_id: str) -> bool:
    return any(d.granted and d.coupon_id == coupon_id for d in held.discounts.values())


def _ended_coupons(ours: Held, seen: Seen, now: datetime) -> Iterator[Difference]:
    """Coupons from which Stripe makes no discount any more while somebody is owed one.

    Or that were used up faster than the ledger knows of.
    """
    granted = Counter(d.coupon_id for d in ours.discounts.values() if d.granted)
    waiting: Counter[tuple[str, str]] = Counter()
    for snapshot_id, snapshot in ours.snapshots.items():
        discount = ours.discounts.get(snapshot_id)
        if snapshot_id in ours.hashes and not (discount and discount.granted):
            waiting[snapshot.quote_coupon_id, ours.hashes[snapshot_id][1]] += 1
    for its_id, coupon in sorted(ours.coupons.items()):
        there = seen.coupons.get(its_id)
        why = None if there is None else _ended(there, now)
        used = 0 if there is None else there.times_redeemed
        if why is None or not (waiting[coupon.key] or used > granted[its_id]):
            continue
        yield Difference(
            "exhausted",
            its_id,
            "Stripe coupon {coupon} of {quote_coupon} {why}; it was redeemed {used} times, {known} "
            "of them are known to the ledger, and {waiting} more are owed.",
            "Stripe lets nobody raise the limits of a coupon: somebody has to make another quote "
            "coupon in Salesforce for those who still wait.",
            Mender.PERSON if waiting[coupon.key] else Mender.NOBODY,
            {
                "coupon": its_id,
                "why": why,
                "used": str(used),
                "known": str(granted[its_id]),
                "waiting": str(waiting[coupon.key]),
            },
            quote_coupon_id=coupon.quote_coupon_id,
            contradicts_ledger=False,
        )


def _ended(coupon: StripeCoupon, now: datetime) -> str | None:
    limit = coupon.max_redemptions
    if limit is not None and coupon.times_redeemed >= limit:
        return f"is used up (limit {limit})"
    if coupon.redeem_by is not None and coupon.redeem_by <= int(now.timestamp()):
        return f"expired at {datetime.fromtimestamp(coupon.redeem_by, UTC):%Y-%m-%d %H:%M} UTC"
    return None if coupon.valid else "is not valid"


def _orders(ours: Held, theirs: Held) -> Iterator[Difference]:
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


def _snapshots(ours: Held, theirs: Held) -> Iterator[Difference]:
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
        if snapshot.evidence == "order_coupon" and same_mapping and mine != said:
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


def _order_coupons(ours: Held, theirs: Held) -> Iterator[Difference]:
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


def _discounts(ours: Held, theirs: Held, seen: Seen) -> Iterator[Difference]:
    """Grants of the one account that the other has otherwise or not at all."""
    for snapshot_id, snapshot in sorted({**ours.snapshots, **theirs.snapshots}.items()):
        mine, found = ours.discounts.get(snapshot_id), theirs.discounts.get(snapshot_id)
        if {found and found.target_id, mine and mine.target_id} & seen.unread:
            continue
        if mine is not None and mine.granted and snapshot_id not in theirs.snapshots:
            yield _left_behind(mine, snapshot, theirs)
        else:
            yield from _discount(mine, found, snapshot)


def _left_behind(mine: HeldDiscount, snapshot: Snapshot, theirs: Held) -> Difference:
    activated = snapshot.scope.order_id in theirs.targets
    return Difference(
        "orphaned",
        snapshot.scope.order_id,
        "{order} got a discount on {target} and no record in Salesforce speaks of it any more."
        if activated
        else "{order} got a discount on {target} and is not activated any more.",
        "What was granted stays. Who decides that it ends takes it away in Stripe.",
        Mender.PERSON,
        {"target": mine.target_id or "no target"},
        order_id=snapshot.scope.order_id,
        quote_coupon_id=snapshot.quote_coupon_id,
        contradicts_ledger=False,
    )


def _discount(
    mine: HeldDiscount | None, found: HeldDiscount | None, snapshot: Snapshot
) -> Iterator[Difference]:
    about = {
        "mine": (mine and mine.target_id) or "",
        "found": (found and found.target_id) or "",
        "coupon": (mine and mine.coupon_id) or "",
        "found_coupon": (found and found.coupon_id) or "",
        "code": (found and found.code) or "",
    }

    def told(kind: Kind, sentence: str, remedy: str, mender: Mender) -> Difference:
        return Difference(
            kind,
            snapshot.scope.order_id,
            sentence,
            remedy,
            mender,
            about,
            order_id=snapshot.scope.order_id,
            quote_coupon_id=snapshot.quote_coupon_id,
        )

    if mine is not None and mine.granted and found is None:
        yield told(
            "missing",
            "The ledger says that {order} got its discount on {mine}, and no proof in Stripe says "
            "so.",
            "Nothing is granted twice as long as there is this ledger. Put the metadata "
            "coupon_pipeline of {mine} back: its value is in the last write to it, which "
            "coupon-pipeline evidence --out writes.csv exports.",
            Mender.PERSON,
        )
    elif found is not None and found.granted and not (mine and mine.granted):
        yield told(
            "extra",
            "A proof in Stripe says that {order} got its discount on {found}, and the ledger does "
            "not know it.",
            "Run coupon-pipeline sync --order {order_id}: it believes the proof and writes nothing "
            "to Stripe for it.",
            Mender.SYNC,
        )
    elif mine is not None and found is not None:
        if mine.coupon_id != found.coupon_id:
            yield told(
                "edited",
                "The discount of {order} on {found} comes from coupon {found_coupon}; the ledger "
                "says {coupon}.",
                "Somebody put another coupon in its place. Put {coupon} back in Stripe, or run "
                "coupon-pipeline rebuild-ledger to take over what is there.",
                Mender.PERSON,
            )
        if found.code is not None and found.code != mine.code:
            removed = found.code == "attachment.removed_by_hand"
            yield told(
                "deleted" if removed else "edited",
                "The discount of {order} on {mine}: {code}.",
                "It is not granted again. If it is still owed, somebody has to add coupon {coupon} "
                "to {mine} in Stripe."
                if removed
                else "docs/problems.md says what {code} means and what to do.",
                Mender.PERSON,
            )


def _on_targets(ours: Held, theirs: Held, seen: Seen, now: int) -> Iterator[Difference]:
    """Discounts that no grant accounts for: a second one of ours, or one of others."""
    coupons = ours.coupons.keys() | theirs.coupons.keys() | seen.edited
    allowed: Counter[tuple[str, str]] = Counter()
    for snapshot_id in ours.discounts.keys() | theirs.discounts.keys():
        for held in (ours.discounts.get(snapshot_id), theirs.discounts.get(snapshot_id)):
            if held is not None and held.granted and held.target_id and held.coupon_id:
                allowed[held.target_id, held.coupon_id] += 1
                break
    named = {*ours.targets.values(), *theirs.targets.values()}
    for state in sorted(seen.targets, key=lambda each: each.target_id):
        subscription = state.subscription if isinstance(state, ScheduleState) else state
        names = {state.target_id}
        if isinstance(subscription, SubscriptionState):
            names.add(subscription.subscription_id)
            for live in subscription.live_discounts():
                yield from _live(live, state.target_id, names, coupons, allowed, named)
        if isinstance(state, ScheduleState):
            yield from _coming(state, coupons, now)


def _live(
    live: LiveDiscount,
    target_id: str,
    names: set[str],
    coupons: set[str],
    allowed: Counter[tuple[str, str]],
    named: set[str | None],
) -> Iterator[Difference]:
    about = {"discount": live.discount_id, "coupon": live.coupon_id or "", "target": target_id}
    if live.coupon_id not in coupons:
        yield _foreign(about, live.discount_id)
        return
    granted = next((n for n in names if allowed[n, live.coupon_id or ""]), None)
    if granted is not None:
        allowed[granted, live.coupon_id or ""] -= 1
        return
    orphaned = names.isdisjoint(named)
    yield Difference(
        "orphaned" if orphaned else "extra",
        live.discount_id,
        "{target} has discount {discount} from our coupon {coupon}, and no activated order names "
        "it."
        if orphaned
        else "{target} has discount {discount} from our coupon {coupon}, and nothing was granted "
        "that it could be.",
        "The pipeline takes no discount away. If nobody owes it, somebody has to remove {discount} "
        "in Stripe.",
        Mender.PERSON,
        about,
        contradicts_ledger=False,
    )


def _coming(state: ScheduleState, coupons: set[str], now: int) -> Iterator[Difference]:
    """Coupons of others that phases name; one for each, however many phases do."""
    entries: dict[str, DiscountEntry] = {}
    for phase in state.open_phases(now):
        listed = [*phase.discounts, *(e for item in phase.items for e in item.discounts)]
        for each in listed:
            if each.kind != "discount" and each.coupon_id not in coupons:
                entries.setdefault(each.reference, each)
    for reference, entry in sorted(entries.items()):
        about = {"discount": reference, "target": state.target_id, "coupon": entry.coupon_id or ""}
        yield _foreign(about, reference)


def _foreign(about: Mapping[str, str], record_id: str) -> Difference:
    return Difference(
        "foreign",
        record_id,
        "{target} has {discount}, which no grant of ours made.",
        "It stays, and every write of ours sends it back.",
        Mender.NOBODY,
        about,
        contradicts_ledger=False,
    )
